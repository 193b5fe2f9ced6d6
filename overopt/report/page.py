"""What notebooks print around the figures: tables, cards and glued numbers, as MyST Markdown.

The book parses a cell's Markdown output as MyST, so that a printed table is numbered, follows the page's
light or dark colours and scrolls on a phone. Text that a model wrote is escaped, character by character.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import polars as pl
from IPython.display import HTML, Markdown

from overopt.report import charts
from overopt.study.study import available, load_study
from overopt.util.words import capital, duration, number, short_number, with_interval, with_se

__all__ = [
    "COEFFICIENT_HEADER",
    "PEAK_HEADER",
    "about",
    "card",
    "coefficient_rows",
    "commit",
    "escaped",
    "found",
    "if_measured",
    "not_measured",
    "number",
    "peak_rows",
    "proxy_title",
    "sample_table",
    "say",
    "short_number",
    "start",
    "table",
    "verdict_cards",
    "with_interval",
    "with_se",
]


def start() -> None:
    """What every notebook does first: charts that read offline."""
    charts.enable()


def say(text: str) -> Markdown:
    """MyST text as a cell's output."""
    return Markdown(text)


def escaped(text: str) -> str:
    """Text as it is, whatever Markdown or HTML it contains, on one line."""
    flat = " ".join(text.split())
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", flat)


def table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str, name: str, align: str = ""
) -> Markdown:
    """A numbered MyST table. Cells are Markdown: pass model text through `escaped`.

    Args:
        header: column titles.
        rows: cells, one sequence a row.
        caption: Markdown under the number.
        name: target for cross-references.
        align: one letter a column, l or r; right where the string is too short.
    """
    marks = [":---" if letter == "l" else "---:" for letter in align.ljust(len(header), "r")]
    lines = ["| " + " | ".join(cells) + " |" for cells in (header, marks, *rows)]
    return Markdown("\n".join([f":::{{table}} {caption}", f":name: {name}", "", *lines, ":::"]))


COEFFICIENT_HEADER = ["proxy size", "status", "α", "β"]
PEAK_HEADER = ["proxy size", "peak KL (nats)", "peak gold (SDs)"]


def sample_table(texts: pl.DataFrame, proxy: str, name: str) -> Markdown:
    """Samples of one PPO run (`texts.ppo_texts`) against the proxy of `proxy` parameters; a stage is named once."""
    rows = [
        [
            row["stage"] if row["first"] else "",
            number(row["kl"], 1),
            f"*{escaped(row['prompt_text'])}* {escaped(row['completion'])}",
            number(row["proxy"]),
            number(row["gold"]),
        ]
        for row in texts.iter_rows(named=True)
    ]
    return table(
        ["stage", "KL", "prompt and completion", "proxy", "gold"],
        rows,
        caption=f"Samples of one PPO run against the proxy of {proxy} parameters.",
        name=name,
        align="lrlrr",
    )


def coefficient_rows(coefficients: pl.DataFrame) -> list[list[str]]:
    """Cells of `fitted_laws.coefficient_table` under `COEFFICIENT_HEADER`, with intervals."""
    return [
        [short_number(row["rm_params"]), row["status"].replace("_", " "), *_intervals(row, alpha=2, beta=3)]
        for row in coefficients.iter_rows(named=True)
    ]


def peak_rows(coefficients: pl.DataFrame) -> list[list[str]]:
    """Cells of `fitted_laws.coefficient_table` under `PEAK_HEADER`, of the laws whose peak may be trusted."""
    return [
        [short_number(row["rm_params"]), *_intervals(row, peak_kl=1, peak_gold=2)]
        for row in coefficients.filter(status="ok").iter_rows(named=True)
    ]


def _intervals(row: dict[str, Any], **digits: int) -> list[str]:
    return [
        with_interval(row[name], row[f"{name}_low"], row[f"{name}_high"], places)
        for name, places in digits.items()
    ]


def found(paper: str, here: Iterable[str]) -> Markdown:
    """The card of a section: what the paper found, and what was found here."""
    text = " ".join(here)
    return Markdown(
        f":::{{admonition}} In short\n:class: verdict\n**The paper.** {paper}\n\n**Here.** {text}\n:::"
    )


def proxy_title(table: Any) -> str:
    """What stands above a chart whose curves are all against proxies of one size.

    `table`: a slice of the evidence, or a table with the column `rm_params`.
    """
    sizes = getattr(table, "curves", table)["rm_params"].unique().to_list()
    return f"proxy of {short_number(sizes[0])} parameters" if len(sizes) == 1 else ""


def card(results: Any, paper: str, *claims: int) -> Markdown:
    """The card of a section: what the paper found, and the verdicts on its claims here."""
    entries = {entry["claim"]: entry for entry in results.verdicts}
    here = [
        f"\n- {VERDICT_MARKS[entries[k]['verdict']]} **Claim {k}: {entries[k]['verdict']}.** "
        f"*{escaped(entries[k]['text'])}* {escaped(capital(entries[k]['measured']))}"
        for k in claims
    ]
    return found(paper, here)


def not_measured(what: str = "", by: str = "published") -> Markdown:
    """What stands where a table would, in a study that did not measure it; the study `by` does."""
    return Markdown(f"*The study did not measure {what or 'what this figure shows'}; the study `{by}` does.*")


def if_measured(measured: bool, chart: Callable[[], Any], by: str = "published") -> Any:
    """The chart, or a sentence where there is nothing to draw; the study `by` has it."""
    if measured:
        return chart()
    return HTML(
        f'<p class="oo-absent">The study did not measure what this figure shows; <code>{by}</code> does.</p>'
    )


def verdict_cards(entries: Sequence[dict[str, Any]]) -> Markdown:
    """A card for each claim: verdict, measured number, rule, and a link to the figure."""
    lines = ["::::{grid} 1 1 2 2", ":gutter: 2", ""]
    for entry in entries:
        page, _, target = entry["figure"].partition(".html#")
        mark = VERDICT_MARKS[entry["verdict"]]
        lines += [
            f":::{{grid-item-card}} {mark} {entry['claim']}. {escaped(entry['text'])}",
            f":class-card: oo-verdict oo-{entry['verdict'].replace(' ', '-')}",
            "",
            f"**{entry['verdict'].capitalize()}.** {escaped(capital(entry['measured']))}",
            "",
            f"*Rule.* {escaped(entry['rule'])}",
            "",
            f"{{numref}}`{target}` on [](/{page})",
            ":::",
            "",
        ]
    return Markdown("\n".join([*lines, "::::"]))


VERDICT_MARKS = {"holds": "●", "partly": "◐", "does not hold": "○", "cannot tell": "?"}


def commit(record: dict[str, Any]) -> str:
    """The commit that computed the results, shortened; "unknown" outside a git repository."""
    return (record["git"] or "unknown")[:12]


def about(results: Any, notebook: str) -> Markdown:
    """The box every page ends with: study, seeds, commit, run time, and how to make the page again."""
    record, study = results.record, results.study
    # the study of a reader is named by a file, whose place is nobody else's business
    source = (
        study.name if study.name in available() and load_study(study.name) == study else "YOUR_STUDY.yaml"
    )
    seeds = record["seeds"]
    seeds = (
        ", ".join(map(str, seeds))
        if isinstance(seeds, Sequence) and not isinstance(seeds, str)
        else str(seeds)
    )
    lines = [
        ":::{admonition} Reproduce this page",
        ":class: tip reproduce",
        f"Study `{study.name}` in the world `{study.world}`; seeds {seeds}; "
        f"commit `{commit(record)}`; "
        f"{duration(record['seconds'])} of compute on `{record['device']}`; result `{record['key'][:12]}`.",
        "",
        "```bash",
        f"make report STUDY={source}",
        f".venv/bin/papermill notebooks/{notebook}.ipynb out.ipynb \\",
        f"    -p study {source}",
        "```",
        ":::",
    ]
    return Markdown("\n".join(lines))
