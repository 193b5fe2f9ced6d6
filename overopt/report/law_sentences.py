"""What pages say of fitted laws: their shapes in words, which peaks are known, how the paper's forms stand beside others."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from overopt.analysis import laws_elsewhere
from overopt.analysis.averages import NAMES
from overopt.analysis.evidence import Evidence
from overopt.analysis.fit_shapes import DECADE, SHAPES, counted
from overopt.util.words import capital, number, short_number

VERBS = {
    "turns": ("turns", "turn"),
    "bends": ("bends", "bend"),
    "falls": ("only falls", "only fall"),
    "straight": (
        "cannot be told from a straight line in √KL",
        "cannot be told from a straight line in √KL",
    ),
    "steepens": ("steepens", "steepen"),
    "unfitted": ("has no law", "have no law"),
}


def say_counts(words: dict[int, str]) -> str:
    """How many proxy sizes have which shape (`fit_shapes.shapes`): 2 turn, 6 cannot be told from a straight line.

    >>> say_counts({1_000: "straight", 7_000: "turns"})
    'Of 2 proxy sizes 1 turns, 1 cannot be told from a straight line in √KL.'
    """
    if not words:
        return "No law was fitted."
    parts = [f"{count} {VERBS[word][count > 1]}" for word, count in counted(words).items()]
    return f"Of {len(words)} proxy sizes {', '.join(parts)}."


def say_meanings(words: Iterable[str | None]) -> str:
    """The words for shapes that occur, and what each means, as a list; nothing where none occurs."""
    there = set(words)
    return "\n".join(f"- *{word}*: {meaning}." for word, meaning in SHAPES.items() if word in there)


def say_peaks(peaks: pl.DataFrame) -> str:
    """Which laws turn and yet have no peak in the table (`fit_shapes.peaks`); nothing where there is none."""
    hidden = peaks.filter(~pl.col("known"))
    if hidden.is_empty():
        return ""
    which = "; ".join(
        f"{NAMES[str(method)]}, {', '.join(short_number(size) for size in part['rm_params'])}"
        for (method,), part in hidden.group_by("method", maintain_order=True)
    )
    return (
        f"No peak is given for {which}: these curves turn, but the law puts its peak before the first measured point or "
        f"perhaps beyond the last, or its interval spans more than a factor of {DECADE:g}."
    )


def say_forms(forms: pl.DataFrame) -> str:
    """How near the paper's form is to its method's curves, beside the nearest of all forms (`law_tables.forms`)."""
    parts = []
    for (method,), rows in forms.drop_nulls("misfit").group_by("method", maintain_order=True):
        own = rows.filter("own")
        if own.is_empty():
            continue
        near, row = rows.sort("misfit").row(0, named=True), own.row(0, named=True)
        place = int((rows["misfit"] < row["misfit"]).sum()) + 1
        said = f"{NAMES[str(method)]}: ${row['tex']}$ misses the mean curves by {_percent(row['misfit'])} of gold's range"
        parts.append(
            f"{said}, the least of {rows.height} forms"
            if place == 1
            else f"{said} and is number {place} of {rows.height} forms; the nearest, ${near['tex']}$, misses them by "
            f"{_percent(near['misfit'])}"
        )
    noise = "These numbers hold the noise of the curves; verdicts subtract it."
    return f"{'. '.join(map(capital, parts))}. {noise}" if parts else ""


def say_far(evidence: Evidence) -> str:
    """To which n the law of best-of-n is fitted, and up to which it is then asked about; or that it is not."""
    if evidence.far is None:
        return "Best-of-n goes no farther in this study than its law is fitted to."
    near, beyond = (
        max(curves.filter(method="bon")["n"].to_list())
        for curves in (evidence.sizes.curves, evidence.far.curves)
    )
    return (
        f"For best-of-n the law is fitted to n up to {near:,}, and then asked about n up to {beyond:,}. The prompts are the "
        "same, with more samples of each."
    )


def _percent(share: float) -> str:
    return f"{number(100 * share, 1)}%"


def say_sources() -> str:
    """Where the coefficients of others come from, and how far to trust them, as a list."""
    return "\n".join(
        f"- *{source.name}*: {source.says}. {source.provenance}" for source in laws_elsewhere.sources()
    )
