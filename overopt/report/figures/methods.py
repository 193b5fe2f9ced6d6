"""Every method on one axis: gold against KL, a panel for each family of methods, each line named where it ends."""

from __future__ import annotations

from typing import Any, NamedTuple

import altair as alt
import numpy as np
import polars as pl

from overopt.report.figures.line_ends import spread
from overopt.report.figures.style import INK, PAPER_INK, Layered, faded, kl_axis, unordered_colours

ROOM = 5.6  # of the axis for the names of lines: more than half of its width, on a square-root scale
LABEL = 14  # pixels from one name to the next
HEIGHT = 250  # of a panel whose names need no more
GOLD = "gold (SDs of the initial policy's)"


class Axes(NamedTuple):
    """What all panels share: the largest KL (nats), the ends of gold, and the height of a panel in pixels."""

    largest: float
    ends: tuple[float, float]
    height: int

    @property
    def x(self) -> alt.X:
        """KL, with room for names beyond the largest."""
        return kl_axis(self.largest, room=ROOM)

    def y(self, column: str) -> alt.Y:
        """A column that is on the scale of gold."""
        return alt.Y(f"{column}:Q", title=GOLD, scale=alt.Scale(domain=list(self.ends), nice=False))


def methods(curves: pl.DataFrame, *, description: str) -> alt.ConcatChart:
    """Gold against KL, a panel for each family of methods, with 95% intervals where gold is highest and at the end.

    Plain best-of-n and plain PPO stand in every panel, in grey where they are not of its family. A click on a line or name
    fades the others of its panel.

    Args:
        curves: see `overopt.analysis.what_helps.curves`.
        description: what a reader who cannot see the chart is told.
    """
    columns = "family", "setting", "place", "kl", "gold", "low", "high", "plain"
    data = curves.select(pl.col("method").alias("group"), *columns).with_columns(
        pl.selectors.float().round(4)
    )
    families = data["family"].unique(maintain_order=True).to_list()
    # the same table under every panel: it is the one that readers download
    panels = {family: pl.col("family").eq(family) | pl.col("plain") for family in families}
    most = max(data.filter(shown)["group"].n_unique() for shown in panels.values())
    largest = float(data["kl"].max()) * 1.02  # type: ignore[arg-type]
    ends = float(data["low"].min()), float(data["high"].max())  # type: ignore[arg-type]
    axes = Axes(largest, ends, max(HEIGHT, LABEL * (most + 2)))
    views = [_panel(k, data, family, shown, axes) for k, (family, shown) in enumerate(panels.items())]
    return (
        alt.concat(*views, columns=2).resolve_scale(color="independent").properties(description=description)
    )


def _panel(k: int, data: pl.DataFrame, family: str, shown: pl.Expr, axes: Axes) -> Layered:
    """Panel number `k`: the lines of one family, and the plain ones of others in grey."""
    here = data.filter(shown)
    names = here["group"].unique(maintain_order=True).to_list()
    own = here.filter(family=family)["group"].unique(maintain_order=True).to_list()
    inks = dict(zip(own, unordered_colours(len(own)), strict=True))
    scale = alt.Scale(domain=names, range=[inks.get(name, PAPER_INK) for name in names])
    colour = alt.Color("group:N", sort=names, scale=scale, legend=None)
    pick = alt.selection_point(name=f"pick_{k}", fields=["group"])
    fits = alt.FieldOneOfPredicate(field="group", oneOf=names)
    base = (
        alt.Chart(data)
        .transform_filter(fits)
        .encode(x=axes.x, y=axes.y("gold"), color=colour, order="place:Q", opacity=faded(pick))
    )
    told: list[Any] = ["group:N", "setting:N"]
    told += [alt.Tooltip(f"{name}:Q", format=".3g") for name in ("kl", "gold", "low", "high")]
    lines = base.mark_line(strokeWidth=2).encode(tooltip=told)
    dots = base.mark_point(filled=True, size=10).encode(tooltip=told)
    layers = [_zero(axes), _bars(here, colour, pick, axes), *_names(here, colour, pick, axes)]
    return alt.layer(*layers, lines.add_params(pick), dots).properties(
        width=275, height=axes.height, title=family
    )


def _bars(here: pl.DataFrame, colour: alt.Color, pick: alt.Parameter, axes: Axes) -> alt.Chart:
    """Intervals of each line's highest point and of its last: more would hide the lines."""
    highest = pl.col("gold") == pl.col("gold").max().over("group")
    last = pl.col("place") == pl.col("place").max().over("group")
    bars = alt.Chart(here.filter(highest | last)).mark_rule(strokeWidth=1.5)
    return bars.encode(x=axes.x, y=axes.y("low"), y2="high:Q", color=colour, opacity=faded(pick, full=0.5))


def _names(here: pl.DataFrame, colour: alt.Color, pick: alt.Parameter, axes: Axes) -> list[alt.Chart]:
    """The name of each line right of its end, and a thin line to it."""
    low, high = axes.ends
    ends = here.group_by("group", maintain_order=True).last().sort("gold")
    label = spread(np.ones(ends.height), ends["gold"].to_numpy(), (high - low) * LABEL / axes.height)
    label -= max(0.0, label.max() - high)  # names are pushed down where the top has no room for them
    ends = ends.with_columns(label=label, beside=pl.lit(round(axes.largest * 1.1, 4)))
    leaders = (
        alt.Chart(ends)
        .mark_rule(strokeWidth=0.8)
        .encode(
            x=axes.x,
            y=axes.y("gold"),
            x2="beside:Q",
            y2="label:Q",
            color=colour,
            opacity=faded(pick, full=0.5),
        )
    )
    words = (
        alt.Chart(ends)
        .mark_text(align="left", dx=2, fontSize=10)
        .encode(x=alt.X("beside:Q"), y=axes.y("label"), text="group:N", color=colour, opacity=faded(pick))
    )
    return [leaders, words]


def _zero(axes: Axes) -> alt.Chart:
    line = alt.Chart(pl.DataFrame({"gold": [0.0]}))
    return line.mark_rule(color=INK, strokeDash=[2, 3], opacity=0.5).encode(y=axes.y("gold"))
