"""Names at the ends of lines, so that nobody has to look from a line to a legend and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import polars as pl
from jaxtyping import Float64

LONGEST = 12  # characters: a longer name has no room on a phone, and stands in the legend alone
GAP = 13.0  # pixels between the lines of two names
NEAR = 0.2  # of the width: names further apart than that may stand at one height


def spread(
    across: Float64[np.ndarray, " names"], height: Float64[np.ndarray, " names"], gap: float
) -> Float64[np.ndarray, " names"]:
    """Heights of names as near to where they belong as leaves `gap` between any two that are near each other.

    Args:
        across: where each stands along the x axis, as a share of the width.
        height: where each belongs, in units of the y axis.
        gap: least distance between two names of the same place, in those units.

    >>> spread(np.array([1.0, 1.0, 0.2]), np.array([0.0, 0.0, 0.0]), gap=1.0).round(2).tolist()
    [-0.5, 0.5, 0.0]
    """
    at = height.astype(float)
    order = np.argsort(height, kind="stable")
    pairs = [(i, j) for k, i in enumerate(order) for j in order[k + 1 :] if abs(across[i] - across[j]) < NEAR]
    for _ in range(500):
        moved = 0.0
        for low, high in pairs:
            push = (gap - (at[high] - at[low])) / 2
            if push > 1e-3 * gap:
                at[low], at[high], moved = at[low] - push, at[high] + push, push
        if not moved:
            break
    return at


def fits(names: list[str]) -> bool:
    """Whether the lines' ends have room for their names; one line alone needs none."""
    return len(names) > 1 and max(map(len, names)) <= LONGEST


def end_names(
    ends: pl.DataFrame,
    x: alt.X,
    y: alt.Y,
    colour: alt.Color,
    opacity: Any,
    *,
    across: pl.Expr,
    pixel: float,
    first: Sequence[str] = (),
) -> alt.Chart:
    """The name of each group beside the end of its line, in its colour.

    Names that are not shown at first give way to those that are, and may stand over one another.

    Args:
        ends: `group` and the columns of the axes, one row a line.
        x: the x axis, of a column `<name>:Q`.
        y: the y axis, likewise.
        colour: of the groups.
        opacity: that of their lines.
        across: how far along the x axis an end is, as a share of the width.
        pixel: height of a pixel in units of the y axis.
        first: the groups that are shown at first, where that is not all of them.
    """
    column = str(y["shorthand"]).removesuffix(":Q")
    height = ends[column].to_numpy().astype(float)
    places = ends.select(across.alias("across"))["across"].to_numpy().astype(float)
    at_first = ends["group"].is_in(list(first)).to_numpy()
    at = np.zeros(len(height))
    for some in (at_first, ~at_first):
        at[some] = spread(places[some], height[some], GAP * pixel)
    placed = ends.with_columns(pl.Series(column, at).round(5))
    text = alt.Chart(placed).mark_text(align="left", dx=8, fontSize=11, fontWeight="bold")
    return text.encode(x=x, y=y, color=colour, opacity=opacity, text="group:N")


def room(names: list[str]) -> dict[str, int]:
    """Padding of a chart (pixels) that leaves room for the names at its right."""
    return {"left": 5, "top": 5, "bottom": 5, "right": 14 + 7 * max(map(len, names))}
