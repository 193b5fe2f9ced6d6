"""Every method on one axis: gold against KL, each line named where it ends."""

from __future__ import annotations

import altair as alt
import numpy as np
import polars as pl

from overopt.report.figures.line_ends import spread
from overopt.report.figures.style import (
    HEIGHT,
    INK,
    UNORDERED,
    Layered,
    faded,
    kl_axis,
    titled,
    unordered_colours,
)

ROOM = 5.0  # of the axis for the names of lines: more than half of its width, on a square-root scale
BARS_EVERY = 4  # points
LABEL = 15  # pixels from one name to the next
DASHES = ([1, 0], [6, 3], [2, 2])  # of lines that share a colour


def methods(curves: pl.DataFrame, *, description: str) -> Layered:
    """Gold against KL, a line with bars of 95% intervals for each method; a click on a line or name fades the others.

    Args:
        curves: see `overopt.analysis.what_helps.curves`.
        description: what a reader who cannot see the chart is told.
    """
    group = pl.col("method").alias("group")
    data = curves.select(group, "setting", "place", "kl", "gold", "low", "high").with_columns(
        pl.selectors.float().round(4)
    )
    names = data["group"].unique(maintain_order=True).to_list()
    height = max(HEIGHT, LABEL * (len(names) + 4))
    largest = float(data["kl"].max()) * 1.02  # type: ignore[arg-type]
    title = "gold (SDs of the initial policy's)"
    x, y = kl_axis(largest, room=ROOM), alt.Y("gold:Q", title=title)
    pick = alt.selection_point(name="pick", fields=["group"])
    colours = alt.Scale(domain=names, range=unordered_colours(len(names)))
    dashes = alt.Scale(domain=names, range=[list(DASHES[k // len(UNORDERED) % 3]) for k in range(len(names))])
    colour = alt.Color("group:N", sort=names, scale=colours, legend=None)
    dash = alt.StrokeDash("group:N", sort=names, scale=dashes, legend=None)
    base = alt.Chart(data).encode(x=x, y=y, color=colour, order="place:Q", opacity=faded(pick))
    shown = [
        "group:N",
        "setting:N",
        *[alt.Tooltip(f"{name}:Q", format=".3g") for name in ("kl", "gold", "low", "high")],
    ]
    lines = base.mark_line(strokeWidth=2).encode(strokeDash=dash, tooltip=shown)
    # bars and not a band: a line may turn back on itself; of some points alone, or they would hide the lines
    some = data.filter(
        (pl.col("place") % BARS_EVERY == 0) | (pl.col("place") == pl.col("place").max().over("group"))
    )
    bars = (
        alt.Chart(some)
        .mark_rule(strokeWidth=1.5)
        .encode(x=x, y=alt.Y("low:Q", title=title), y2="high:Q", color=colour, opacity=faded(pick, full=0.45))
    )
    dots = base.mark_point(filled=True, size=14).encode(tooltip=shown)
    ends = data.group_by("group", maintain_order=True).last().sort("gold")
    low, high = float(data["low"].min()), float(data["high"].max())  # type: ignore[arg-type]
    label = spread(np.ones(ends.height), ends["gold"].to_numpy(), (high - low) * LABEL / height)
    ends = ends.with_columns(label=label, beside=pl.lit(round(largest * 1.06, 4)))
    leaders = (
        alt.Chart(ends)
        .mark_rule(strokeWidth=0.8)
        .encode(x=x, y="gold:Q", x2="beside:Q", y2="label:Q", color=colour, opacity=faded(pick, full=0.5))
    )
    words = (
        alt.Chart(ends)
        .mark_text(align="left", dx=3, fontSize=10)
        .encode(x=alt.X("beside:Q"), y="label:Q", text="group:N", color=colour, opacity=faded(pick))
    )
    zero = (
        alt.Chart(pl.DataFrame({"gold": [0.0]}))
        .mark_rule(color=INK, strokeDash=[2, 3], opacity=0.5)
        .encode(y=y)
    )
    return titled(
        alt.layer(zero, bars, leaders, lines.add_params(pick), dots, words), "", description, height
    )
