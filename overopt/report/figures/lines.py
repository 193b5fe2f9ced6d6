"""One measured thing against another, a line a group: what most of the paper's smaller figures are."""

from __future__ import annotations

import math

import altair as alt
import polars as pl

from overopt.analysis.groups import SIZES, Group
from overopt.report.figures import line_ends
from overopt.report.figures.style import (
    DASHED,
    DOTTED,
    HEIGHT,
    INK,
    KEY,
    SOLID,
    Layered,
    faded,
    first_shown,
    group_colour,
    group_shape,
    group_tooltip,
    kl_axis,
    log_size_axis,
    pick_group,
    proxy_title,
    titled,
    tooltip,
)

COUNTS = {"rm_params": "proxy parameters", "pairs": "training pairs", "seen": "pairs seen (pairs × epochs)"}
MEASURES = {
    "rm_loss": "validation loss (nats a pair)",
    "path": "distance: sum over rounds of √KL (√nats)",
    "gold": "gold reached (SDs)",
    "proxy": "proxy score reached (SDs)",
}
CHANCE = round(math.log(2), 4)  # validation loss (nats a pair) of a proxy that knows nothing
DASHES = (SOLID, DASHED, DOTTED)


def lines(
    data: pl.DataFrame,
    x: str,
    y: str,
    y_title: str,
    *,
    description: str,
    by: Group = SIZES,
    kind: str | None = None,
    connected: bool = True,
    rule: float | None = None,
) -> Layered:
    """`y` against `x`, with a bar of one standard error where the column `<y>_se` is there.

    KL stands on a square-root scale, on either axis. Where all rows are of one proxy size, the title says so.

    Args:
        data: the columns of `x`, `y` and `by`, and of `kind` if given; one row a point.
        x: the column of the other axis: see `axis_of`.
        y: the column measured.
        y_title: its title, with unit.
        description: what a reader who cannot see the chart is told.
        by: what the lines differ in.
        kind: a column of words, each drawn in a dash of its own.
        connected: whether lines join the points of a group, in order of the column `place`, or of x where there is none.
        rule: where a dotted horizontal line stands.
    """
    order = "place" if "place" in data.columns else x
    columns = dict.fromkeys([x, y, *([kind] if kind else []), order])
    has_errors = f"{y}_se" in data.columns
    one_se = [
        (pl.col(y) + k * pl.col(f"{y}_se")).alias(end) for k, end in ((-1, "low"), (1, "high")) if has_errors
    ]
    errors = [f"{y}_se"] if has_errors else []
    shown = data.select(by.labels(), *columns, *errors, *one_se).with_columns(pl.selectors.float().round(5))
    values = by.values(data)
    # points alone do not hide one another
    pick, colour = pick_group(by, values if connected else ()), group_colour(by, values)
    scale_y = alt.Scale(type="sqrt", nice=False) if y == "kl" else alt.Scale(zero=False)
    axis = alt.Y(f"{y}:Q", title=y_title, scale=scale_y)
    across = axis_of(data, x)
    base = alt.Chart(shown).encode(x=across, color=colour, opacity=faded(pick))
    layers: list[alt.Chart] = []
    if rule is not None:
        layers.append(
            alt.Chart(pl.DataFrame({y: [rule]}))
            .mark_rule(color=INK, strokeDash=[2, 3], opacity=0.6)
            .encode(y=axis)
        )
    kinds = data[kind].unique(maintain_order=True).to_list() if kind else []
    if connected:
        marks = base.mark_line(strokeWidth=2).encode(y=axis, order=f"{order}:Q")
        if kind:
            scale = alt.Scale(domain=kinds, range=[list(dash) for dash in DASHES[: len(kinds)]])
            dash = alt.StrokeDash(f"{kind}:N", sort=kinds, scale=scale, title=None, legend=KEY)
            marks = marks.encode(strokeDash=dash)
        layers.append(marks)
    if has_errors:
        layers.append(base.mark_rule(strokeWidth=1.5).encode(y=alt.Y("low:Q", title=y_title), y2="high:Q"))
    words = [group_tooltip(by), *([alt.Tooltip(f"{kind}:N", title="what")] if kind else [])]
    words += [tooltip(x, across["title"], ".4~g"), tooltip(y, y_title, ".4~g")]
    words += [tooltip(name, "one standard error", ".2~g") for name in errors]
    # large dots would hide the dashes
    points = base.mark_point(filled=True, size=16 if kind else 45).encode(y=axis, tooltip=words)
    layers.append(points if by.ordered else points.encode(shape=group_shape(by, values)))
    layers[-1] = layers[-1].add_params(pick)
    title = proxy_title(data) if "rm_params" in set(data.columns) - {x, by.column} else ""
    labels = [by.label(value) for value in values]
    if not connected or y == "kl" or not line_ends.fits(labels):
        return titled(alt.layer(*layers), title, description)
    first = shown.filter(pl.col(kind) == kinds[0]) if kind else shown
    ends = first.sort(order).group_by("group", maintain_order=True).last()
    pixel = (max(shown[y]) - min(shown[y])) / HEIGHT
    place = share_along(x, min(shown[x]), max(shown[x]))
    layers.append(
        line_ends.end_names(
            ends, across, axis, colour, faded(pick), across=place, pixel=pixel, first=first_shown(by, values)
        )
    )
    return titled(alt.layer(*layers), title, description).properties(padding=line_ends.room(labels))


def axis_of(data: pl.DataFrame, x: str) -> alt.X:
    """The axis of a column: a square-root scale for KL, a log scale for counts and rates, else one that need not hold 0."""
    if x == "kl":
        return kl_axis(float(data["kl"].max()) * 1.02)  # type: ignore[arg-type]
    values = sorted(data[x].unique().to_list())
    if x in COUNTS:
        return log_size_axis(values, field=x, title=COUNTS[x])
    if x == "learning_rate":
        scale = alt.Scale(type="log", nice=False, domain=[values[0] / 1.3, values[-1] * 1.3])
        axis = alt.Axis(values=values, labelExpr="datum.value", grid=False, labelOverlap=True)
        return alt.X("learning_rate:Q", title="learning rate", scale=scale, axis=axis)
    return alt.X(f"{x}:Q", title=MEASURES[x], scale=alt.Scale(zero=False), axis=alt.Axis(grid=False))


def share_along(x: str, least: int | float, most: int | float) -> pl.Expr:
    """How far along the axis of the column `x` its values are, as a share of the width: see `axis_of`."""
    value = pl.col(x)
    if x == "kl":
        return (value / most).sqrt()
    logarithmic = x in COUNTS or x == "learning_rate"
    at = [part.log() if logarithmic else part for part in (value, pl.lit(least), pl.lit(most))]
    return (at[0] - at[1]) / pl.max_horizontal(at[2] - at[1], 1e-9)


def pipeline(*, description: str) -> Layered:
    """The pipeline as a diagram (paper: Fig. 2): data and labels flow right, optimisation below."""
    boxes = pl.DataFrame(
        [
            ("human\nratings", 0, 2), ("gold\nreward model", 1, 2), ("pairs labelled\nby gold", 2, 2),
            ("reviews", 0, 1), ("initial\npolicy", 1, 1), ("proxy\nreward models", 2, 1),
            ("optimised\npolicy", 1, 0), ("gold and proxy\nscore, KL", 2, 0),
        ],
        schema=["box", "x", "y"], orient="row",
    )  # fmt: skip
    arrows = pl.DataFrame(
        [(0.3, 2, 0.54, 2), (1.44, 2, 1.6, 2), (0.3, 1, 0.7, 1), (1.22, 1.25, 1.66, 1.7), (2, 1.68, 2, 1.32),
         (1, 0.68, 1, 0.32), (1.68, 0.72, 1.26, 0.3), (1.34, 0, 1.56, 0)],
        schema=["x", "y", "x2", "y2"], orient="row",
    )  # fmt: skip
    heads = arrows.with_columns(
        angle=(pl.struct("x", "y", "x2", "y2").map_elements(_angle, return_dtype=pl.Float64))
    )
    scales = {
        "x": alt.X("x:Q", scale=alt.Scale(domain=[-0.45, 2.45], nice=False), axis=None),
        "y": alt.Y("y:Q", scale=alt.Scale(domain=[-0.35, 2.35], nice=False), axis=None),
    }
    edges = (
        alt.Chart(arrows)
        .mark_rule(color=INK, opacity=0.6, strokeWidth=1.5)
        .encode(**scales, x2="x2:Q", y2="y2:Q")
    )
    points = (
        alt.Chart(heads)
        .mark_point(shape="triangle", filled=True, color=INK, opacity=0.8, size=60)
        .encode(
            x=alt.X("x2:Q", scale=alt.Scale(domain=[-0.45, 2.45], nice=False), axis=None),
            y=alt.Y("y2:Q", scale=alt.Scale(domain=[-0.35, 2.35], nice=False), axis=None),
            angle=alt.Angle("angle:Q", scale=None),
        )
    )
    words = (
        alt.Chart(boxes)
        .mark_text(color=INK, fontSize=12, lineBreak="\n", baseline="middle", dy=-6)
        .encode(**scales, text="box:N")
    )
    return alt.layer(edges, points, words).properties(width="container", height=260, description=description)


def _angle(arrow: dict[str, float]) -> float:
    """Degrees by which an upward triangle turns to point along the arrow, on a chart twice as wide as high."""
    return math.degrees(math.atan2((arrow["x2"] - arrow["x"]) * 2, arrow["y2"] - arrow["y"]))
