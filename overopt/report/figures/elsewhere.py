"""Coefficients of the laws across decades of size, ours beside others'."""

from __future__ import annotations

import altair as alt
import polars as pl

from overopt.report.figures.style import ANCHORS, PAPER_INK
from overopt.util.words import short_number

LETTERS = {"alpha": "α", "beta": "β"}
AXES = {"size": ("relative", "proxy's parameters, share of gold's"), "pairs": ("pairs", "training pairs")}


def across_decades(data: pl.DataFrame, along: str, *, description: str) -> alt.ConcatChart:
    """Alpha and beta against the proxy's share of gold's size, or against pairs, a line a source; ours with intervals.

    Args:
        data: `overopt.analysis.laws_by_decade.points` of one method.
        along: "size" or "pairs": the points whose line runs along that are drawn.
        description: what a reader who cannot see the chart is told.
    """
    column, title = AXES[along]
    shown = data.filter(along=along)
    sources = shown["source"].unique(maintain_order=True).to_list()
    inks = [ANCHORS[-1] if source == "here" else PAPER_INK for source in sources]
    views = []
    for coefficient, letter in LETTERS.items():
        part = shown.filter(coefficient=coefficient)
        size = pl.Series("size", [short_number(size) for size in part["rm_params"]], dtype=pl.String)
        part = part.select(
            "source", "pairs", size, pl.col(column).alias("place"), pl.col("value", "low", "high").round(4)
        )
        base = alt.Chart(part).encode(
            x=alt.X(
                "place:Q",
                title=title,
                scale=alt.Scale(type="log"),
                axis=alt.Axis(grid=False, tickCount=4, format="~g"),
            ),
            color=alt.Color("source:N", title=None, scale=alt.Scale(domain=sources, range=inks)),
        )
        y = alt.Y("value:Q", title=None, scale=alt.Scale(zero=False))
        told = [alt.Tooltip("source:N"), alt.Tooltip("size:N"), alt.Tooltip("pairs:Q", format=",")]
        told += [alt.Tooltip(f"{name}:Q", format=".3f") for name in ("value", "low", "high")]
        dashes = alt.Scale(
            domain=sources, range=[[1, 0] if source == "here" else [8, 4] for source in sources]
        )
        dash = alt.StrokeDash("source:N", title=None, scale=dashes)
        line = base.mark_line(strokeWidth=2, opacity=0.6).encode(y=y, strokeDash=dash)
        ends = base.transform_filter("isValid(datum.low)")
        bars = ends.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q", title=None), y2="high:Q")
        dots = base.mark_point(filled=True, size=60).encode(y=y, tooltip=told)
        views.append(alt.layer(line, bars, dots).properties(width=260, height=220, title=letter))
    return alt.concat(*views, columns=2).properties(description=description)
