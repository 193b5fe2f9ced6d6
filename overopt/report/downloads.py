"""The numbers behind the pages as files of the book: they are copied beside its pages, so that links work offline.

A page names them by HTML, not by Markdown: a notebook alone, without its book, has no such files, and MyST calls a link
that leads nowhere a fault.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from overopt.analysis.results import Results
from overopt.util.files import write_json
from overopt.util.paths import ROOT

FOLDER = "tables"  # beside the pages of a built book
COMMITTED = "published"  # the study of the pages that stand in `book/`
VERDICTS = "verdicts.json"
FILES = {
    VERDICTS: "each claim with its verdict, number, interval and rule",
    "curves.parquet": "KL, gold and proxy score of every curve, a row a point",
    "by_prompt.parquet": "the same for each prompt: intervals are drawn from it",
    "far.parquet": "best-of-n far beyond those curves",
    "far_by_prompt.parquet": "the same for each prompt",
    "proxies.parquet": "how each proxy was trained, and its loss on held-out pairs",
    "sweep.parquet": "the learning rates that were tried",
    "ppo_sweep.parquet": "the settings of PPO that were tried",
    "predictions.json": "what was predicted of best-of-n and PPO from samples of the initial policy",
    "texts.parquet": "completions of the prompts for show",
    "chain.json": "how the language models, gold and the proxies came out",
    "summary.json": "seeds, commits, run time and cost of the study",
    "record.json": "the study's fields, and the SHA-256 of each table",
}


def place(results: Results, book: Path) -> None:
    """Copy the tables of a study to `book/tables/STUDY`, with today's verdicts among them."""
    folder = book / FOLDER / results.study.name
    _copy(results.folder, folder)
    write_json(folder / VERDICTS, list(results.verdicts))


def place_committed(book: Path) -> None:
    """Copy the committed tables of the study that the pages in `book/` show to where `place` puts a study's."""
    folder = book / FOLDER / COMMITTED
    _copy(ROOT / "results" / COMMITTED, folder)
    shutil.copyfile(ROOT / "results" / "verdicts" / COMMITTED / VERDICTS, folder / VERDICTS)


def _copy(tables: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in _there(tables):
        shutil.copyfile(tables / name, folder / name)


def _there(tables: Path) -> list[str]:
    """The files of `FILES` that a study has."""
    return [name for name in FILES if (tables / name).is_file()]


def link(study: str, name: str) -> str:
    """A link to one file, which a browser saves.

    >>> link("laptop", "curves.parquet")
    '<a href="tables/laptop/curves.parquet" download>curves.parquet</a>'
    """
    return f'<a href="{FOLDER}/{study}/{name}" download>{name}</a>'


def say_files(results: Results) -> str:
    """Every table of the study with a link and what it holds, as a list."""
    names = dict.fromkeys([VERDICTS, *_there(results.folder)])
    return "\n".join(f"- {link(results.study.name, name)}: {FILES[name]}" for name in names)


def say_short(results: Results) -> str:
    """Where the verdicts and the curves are as files, and where all others are named."""
    verdicts, curves = (link(results.study.name, name) for name in (VERDICTS, "curves.parquet"))
    return f"As data: {verdicts}, {curves}, and [every other table](09_rules)."
