"""A reader's own curves: gold and proxy with bands, the law, and its peak with an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

import altair as alt
import polars as pl

from overopt.analysis.groups import Group
from overopt.analysis.own_curves import OwnCurve
from overopt.analysis.own_findings import found
from overopt.report.figures.optimisation import SERIES, STAR
from overopt.report.figures.style import (
    DASHED,
    DOTTED,
    INK,
    KEY,
    KL_TOOLTIP,
    SOLID,
    Layered,
    faded,
    group_colour,
    group_tooltip,
    kl_axis,
    pick_group,
    titled,
    tooltip,
)

OWN = Group("group", "Proxy", str, ordered=False)
SMALLEST_REACH = 0.1  # nats: an axis has a length even where only KL 0 was measured
DASHES = dict(zip(SERIES, (SOLID, DASHED, DOTTED), strict=True))
WIDTHS = dict(zip(SERIES, (2.6, 1.8, 1.4), strict=True))
SCHEMA = {"group": pl.String, "series": pl.String, "label": pl.String} | dict.fromkeys(
    ("kl", "score", "low", "high"), pl.Float64
)


def own_curves(curves: Sequence[OwnCurve], *, description: str) -> Layered:
    """Gold solid, proxy dashed, the law dotted, against KL on a square-root axis; one colour a proxy.

    Bands are one standard error. Where the law's peak is to be trusted, a star stands there, with a bar for the 95%
    interval of its KL, cut where the measurement ends.

    Args:
        curves: at least one.
        description: what a reader who cannot see the chart is told.
    """
    data, peaks = _points(curves), _peaks(curves)
    pick, x = pick_group(), kl_axis(1.02 * max(SMALLEST_REACH, *(curve.far for curve in curves)))
    unit = (
        "SDs of the initial policy's scores" if all(curve.in_sds for curve in curves) else "units of the file"
    )
    title = f"score ({unit})"
    names = [curve.name for curve in curves]
    colour = group_colour(OWN, names)
    if len(names) == 1:
        colour = colour.legend(None)
    series = [name for name in SERIES if name in data["series"].to_list()]
    dash = alt.Scale(domain=series, range=[DASHES[name] for name in series])
    width = alt.Scale(domain=series, range=[WIDTHS[name] for name in series])

    def marks(table: pl.DataFrame) -> alt.Chart:
        return alt.Chart(table).encode(
            x=x, y=alt.Y("score:Q", title=title), color=colour, opacity=faded(pick)
        )

    band = (  # without an order: to an area it means another thing, and no area is drawn
        alt.Chart(data)
        .transform_filter("datum.low !== null")
        .mark_area(clip=True)
        .encode(x=x, y=alt.Y("low:Q", title=title), y2="high:Q", color=colour, detail="series:N")
        .encode(opacity=faded(pick, full=0.16))
    )
    lines = (
        marks(data)
        .mark_line(clip=True)
        .encode(
            order="kl:Q",
            strokeDash=alt.StrokeDash("series:N", sort=series, scale=dash, title=None, legend=KEY),
            strokeWidth=alt.StrokeWidth("series:N", sort=series, scale=width, title=None, legend=KEY),
        )
    )
    shown = [group_tooltip(OWN)] if len(names) > 1 else []
    shown += [alt.Tooltip("label:N", title="what"), alt.Tooltip("series:N", title="score of")]
    shown += [
        KL_TOOLTIP,
        tooltip("score", title),
        tooltip("low", "less one standard error"),
        tooltip("high", "and one more"),
    ]
    dots = marks(data.filter(pl.col("series") != SERIES[2])).mark_point(filled=True, size=22)
    layers = [band, lines.add_params(pick), dots.encode(tooltip=shown)]
    if peaks.height:
        intervals = peaks.filter(pl.col("low").is_not_null()).with_columns(kl="low")
        layers.append(marks(intervals).mark_rule(strokeWidth=1.6).encode(x2="high:Q", color=alt.value(INK)))
        star = marks(peaks).mark_point(shape=STAR, filled=True, size=170, stroke=INK, strokeWidth=0.8)
        layers.append(star.encode(tooltip=shown))
    return titled(alt.layer(*layers), "", description)


def _points(curves: Sequence[OwnCurve]) -> pl.DataFrame:
    """One row a point and series; the law on its grid, without a band."""
    rows = []
    for curve in curves:
        for series in SERIES[:2]:
            for point in curve.points.iter_rows(named=True):
                score, se = point[series], point[f"{series}_se"]
                if score is not None:
                    ends = (None, None) if se is None else (score - se, score + se)
                    rows.append((curve.name, series, point["label"], point["kl"], score, *ends))
        grid = curve.law.grid_kl if not math.isnan(curve.law.fit.alpha) else curve.law.grid_kl[:0]
        rows += [
            (curve.name, SERIES[2], "", kl, score, None, None)
            for kl, score in zip(
                grid.tolist(), curve.law.fit.predict(grid).tolist() if len(grid) else [], strict=True
            )
        ]
    return _table(rows)


def _peaks(curves: Sequence[OwnCurve]) -> pl.DataFrame:
    """The peak of each law that is to be trusted for it."""
    rows = []
    for curve in curves:
        if found(curve).stop.by_law:
            low, high = curve.law.peak_kl
            ends = (None, None) if math.isnan(low) else (low, min(high, curve.far))
            peak = curve.law.fit
            rows.append((curve.name, SERIES[2], "peak of the law", peak.peak_kl, peak.peak_gold, *ends))
    return _table(rows)


def _table(rows: list[tuple[str | float | None, ...]]) -> pl.DataFrame:
    numbers = pl.col("kl", "score", "low", "high")
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").with_columns(numbers.round(4))
