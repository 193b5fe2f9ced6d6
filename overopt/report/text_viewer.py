"""A table of texts to judge gold by, as HTML that is read offline: whole without JavaScript, with filters where it runs."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import polars as pl
from IPython.display import HTML

from overopt.analysis.averages import NAMES
from overopt.report import inline_csv
from overopt.report.text_sample import KINDS, RANDOM, every_text, sampled
from overopt.util.words import number, short_number

HALVES = {"rating": "rating (SDs)", "gate": "gate (0 to 1)"}
SAVED = [
    "rm_params",
    "method",
    "n",
    "step",
    "kl",
    "prompt_text",
    "completion",
    "gold",
    *HALVES,
    "proxy",
    *KINDS,
]
ABSENT = '<p class="oo-absent-texts">The study kept no texts.</p>'


def viewer(texts: pl.DataFrame, curves: pl.DataFrame) -> HTML:
    """Texts of every proxy size: some at random, those of the highest and those of the lowest gold; see `text_sample`.

    Gold's halves are shown where they are known; a sentence stands there where the study kept no text.

    Args:
        texts: the texts of a study.
        curves: the curves whose texts are wanted: see `text_sample.every_text`.
    """
    every = every_text(texts, curves)
    shown = sampled(every)
    shown = shown.sample(
        fraction=1.0, shuffle=True, seed=0
    )  # its place in the table is not to tell which size a text is of
    if shown.is_empty():
        return HTML(ABSENT)
    table = shown.select(name for name in SAVED if name in shown.columns).write_csv(float_precision=4)
    script = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    return HTML(
        f'<div class="oo-texts">{_filters(shown)}<p class="oo-texts-tally" role="status"></p>'
        f'<div class="oo-texts-box" tabindex="0" role="region" aria-label="Texts and their scores">'
        f"{_table(shown, _known(shown))}</div>"
        f'<p class="oo-texts-count">A sample of {shown.height:,} of {every.height:,} texts.</p>'
        f'<p class="oo-csv">{inline_csv.link(table, "texts.csv", "Texts as CSV")}</p>'
        f"<script>\n{script}</script></div>"
    )


def _known(texts: pl.DataFrame) -> list[str]:
    """Which of gold's halves are known of some text at least."""
    return [name for name in HALVES if name in texts.columns and texts[name].null_count() < texts.height]


def say_sample(texts: pl.DataFrame, curves: pl.DataFrame) -> str:
    """How the texts of the viewer were chosen, and what halves gold has; nothing where there are none.

    Args:
        texts: see `viewer`.
        curves: see `viewer`.
    """
    every = every_text(texts, curves)
    if every.is_empty():
        return ""
    sizes = every["rm_params"].n_unique()
    return (
        f"Here are texts of {'each of the ' + str(sizes) + ' proxy sizes' if sizes > 1 else 'the one proxy size'}: "
        f"up to {RANDOM} that a fixed seed draws of each size and method, and those that gold ranks highest and lowest. "
        f"They come from {every.height:,} different texts, whose gold is {number(float(every['gold'].to_numpy().mean()))} "
        f"SDs in the mean.{_say_halves(every)}"
    )


def _say_halves(every: pl.DataFrame) -> str:
    """What stands beside gold, and of how many texts; nothing where gold has no halves."""
    if not _known(every):
        return ""
    known = every["gate"].count()
    of = "all of them" if known == every.height else f"{known:,} of them; a dash stands where they are not"
    return (
        " Beside gold stand its two halves: the rating, which gold would be if the text surely passed for language, "
        f"and the gate, how surely it does. They are known of {of}."
    )


def _filters(shown: pl.DataFrame) -> str:
    """Three selections and a tick, hidden until a script is there to heed them."""
    methods = {name: NAMES[name] for name in shown["method"].unique().sort()}
    sizes = {str(size): short_number(size) for size in shown["rm_params"].unique().sort(descending=True)}
    parts = [
        _select("kind", "texts", {"": "all", **KINDS}),
        _select("method", "by", {"": "both methods", **methods} if len(methods) > 1 else methods),
        _select("size", "proxy", {"": "all sizes", **sizes} if len(sizes) > 1 else sizes),
    ]
    tick = "<label><input type='checkbox' autocomplete='off' checked> hide what is known of a text until I judge it</label>"
    return f'<p class="oo-texts-filters" hidden>{" ".join(parts)} {tick}</p>'


def _select(name: str, word: str, options: dict[str, str]) -> str:
    inner = "".join(
        f'<option value="{value}">{html.escape(text)}</option>' for value, text in options.items()
    )
    return f'<label>{word} <select name="{name}" autocomplete="off">{inner}</select></label>'


def _table(shown: pl.DataFrame, halves: list[str]) -> str:
    titles = [
        "prompt and text",
        "proxy",
        "by",
        "gold (SDs)",
        *(HALVES[name] for name in halves),
        "proxy score (SDs)",
    ]
    head = "".join(f'<th scope="col">{title}</th>' for title in [*titles, "chosen"])
    rows = "".join(_row(row, halves) for row in shown.iter_rows(named=True))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _row(row: dict[str, Any], halves: list[str]) -> str:
    """A text, first, so that it has the row for itself until it is judged.

    What a column is called stands in each cell too, for a phone, where a row is a card without a head.
    """
    kinds = [kind for kind in KINDS if row[kind]]
    scores = {"gold": "gold", **{name: name for name in halves}, "proxy": "proxy score"}
    cells = [
        f'<td class="oo-text"><em>{_shown(row["prompt_text"])}</em> {_shown(row["completion"])}</td>',
        f'<td class="oo-score">{short_number(row["rm_params"])}</td>',
        f'<td class="oo-score">{_place(row)}, KL {number(row["kl"], 1)}</td>',
        *(
            f'<td class="oo-score" data-title="{title}">{number(row[name])}</td>'
            for name, title in scores.items()
        ),
        f'<td class="oo-score oo-why">{", ".join(KINDS[kind] for kind in kinds)}</td>',
    ]
    data = f'data-kind="{" ".join(kinds)}" data-method="{row["method"]}" data-size="{row["rm_params"]}"'
    data += f' data-gold="{row["gold"]:.4f}"'
    return f"<tr {data}>{''.join(cells)}</tr>\n"


def _place(row: dict[str, Any]) -> str:
    """How hard the policy was optimised for a text."""
    if row["n"] == 1 or row["step"] == 0:
        return "initial policy"
    return (
        f"best of {row['n']:,}" if row["n"] is not None else f"{NAMES[row['method']]}, step {row['step']:,}"
    )


def _shown(text: str) -> str:
    """Text that a model wrote, as it is, on one line."""
    return html.escape(" ".join(text.split()))
