"""Gold and proxy score against KL: the paper's central figure, for one optimisation method."""

from __future__ import annotations

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
    KL_TOOLTIP,
    PAPER_INK,
    SOLID,
    Layered,
    faded,
    first_shown,
    group_colour,
    group_tooltip,
    kl_axis,
    pick_group,
    titled,
    tooltip,
)
from overopt.util.words import short_number

SERIES = ("gold", "proxy", "fitted law")
MOST_POINTS, MOST_OF_SEED = 60, 30
UNIT = "SDs of the initial policy's gold"
# A five-pointed star as an SVG path: Vega has none.
STAR = (
    "M0,-1L0.235,-0.324L0.951,-0.309L0.38,0.124L0.588,0.809"
    "L0,0.4L-0.588,0.809L-0.38,0.124L-0.951,-0.309L-0.235,-0.324Z"
)


def thinned(points: pl.DataFrame, by: Group = SIZES, most: int = MOST_POINTS) -> pl.DataFrame:
    """At most `most` rows of each curve, about even in `place` (see `averages.averaged`), with both ends kept."""
    kept = []
    for _, curve in points.group_by(by.column, maintain_order=True):
        curve = curve.sort("place")
        if curve.height > most:
            at = curve["place"]
            slot = ((at - at[0]) / (at[-1] - at[0]) * (most - 1)).floor()
            first = curve.with_columns(slot.alias("slot")).unique("slot", keep="first", maintain_order=True)
            curve = first.drop("slot")
        kept.append(curve)
    return pl.concat(kept)


def _long(mean: pl.DataFrame, law: pl.DataFrame, runs: pl.DataFrame | None, by: Group) -> pl.DataFrame:
    """One row a point and series: group, series, seed, place, kl, score, se, low, high; a mean and a law have no seed."""
    parts = [
        mean.select(
            by.column,
            "place",
            "kl",
            pl.lit(name).alias("series"),
            pl.col(name).alias("score"),
            pl.col(f"{name}_se").alias("se"),
            (pl.col(name) - pl.col(f"{name}_se")).alias("low"),
            (pl.col(name) + pl.col(f"{name}_se")).alias("high"),
        )
        for name in SERIES[:2]
    ]
    fit = law.select(
        by.column,
        pl.col("kl").sqrt().alias("place"),
        "kl",
        pl.lit(SERIES[2]).alias("series"),
        pl.col("gold").alias("score"),
    )
    parts += [fit, *([] if runs is None else _of_seeds(runs, by))]
    numbers = pl.col("place", "kl", "score", "se", "low", "high").round(4)
    whole = pl.concat(parts, how="diagonal_relaxed").with_columns(by.labels(), numbers).drop(by.column)
    return whole if "seed" in whole.columns else whole.with_columns(seed=pl.lit(None, dtype=pl.Int64))


def _of_seeds(runs: pl.DataFrame, by: Group) -> list[pl.DataFrame]:
    """Gold of each run of every group that has several, as rows of `_long`."""
    several = runs.filter(pl.col("record").n_unique().over(by.column) > 1).with_columns(
        place=pl.coalesce("n", "step").cast(pl.Float64).sqrt()
    )
    columns = [
        by.column,
        "seed",
        "place",
        "kl",
        pl.col("gold").alias("score"),
        pl.lit(SERIES[0]).alias("series"),
    ]
    return [
        thinned(run, by, MOST_OF_SEED).select(columns)
        for run in several.partition_by("record", maintain_order=True)
    ]


def gold_and_proxy(
    mean: pl.DataFrame,
    law: pl.DataFrame,
    peaks: pl.DataFrame | None = None,
    *,
    by: Group = SIZES,
    line: float | None = None,
    paper: pl.DataFrame | None = None,
    runs: pl.DataFrame | None = None,
    title: str = "",
    height: int = HEIGHT,
    description: str,
) -> Layered:
    """Gold solid, proxy dashed and the law dotted, against KL, one colour a group (paper: Fig. 1 and its kin).

    Args:
        mean: the group's column, `place, kl, gold, gold_se, proxy, proxy_se`: see `averages.averaged` (nats, SDs).
        law: the group's column, `kl, gold`: the fitted law on a grid.
        peaks: the group's column, `kl, gold`: the highest measured point of each curve, starred.
        by: what the curves differ in.
        line: KL (nats) of a vertical line, where a fit ends and a prediction begins.
        paper: the paper's laws, drawn in grey and named: see `laws_elsewhere.paper_lines`.
        runs: the curves that `mean` is of, a record a seed; gold of each is a thin line, to its own end.
        title: what all curves have in common, above the chart.
        height: of the plot, in pixels.
        description: what a reader who cannot see the chart is told.
    """
    data, values = _long(thinned(mean, by), law, runs, by), by.values(mean)
    pick = pick_group(by, values)
    furthest = max(max(drawn["kl"]) for drawn in (mean, runs) if drawn is not None)
    x = kl_axis(furthest * 1.02)
    y_title = f"score ({UNIT})"
    y = alt.Y("score:Q", title=y_title)
    colour = group_colour(by, values)
    series = list(SERIES if law.height else SERIES[:2])
    styles = alt.Scale(domain=series, range=[SOLID, DASHED, DOTTED][: len(series)])
    widths = alt.Scale(domain=series, range=[2.6, 1.6, 1.4][: len(series)])
    every = alt.Chart(data).encode(x=x, order="place:Q")
    base = every.transform_filter("datum.seed === null")
    band = (  # without an order: to an area it means another thing, and no area is drawn
        alt.Chart(data)
        .encode(x=x)
        .transform_filter(f"datum.series === '{SERIES[0]}' && datum.seed === null")
        .mark_area(clip=True)
        .encode(
            y=alt.Y("low:Q", title=y_title),
            y2="high:Q",
            color=colour,
            opacity=faded(pick, full=0.16),
        )
    )
    lines = base.mark_line(clip=True).encode(
        y=y,
        color=colour,
        strokeDash=alt.StrokeDash("series:N", sort=series, scale=styles, title=None, legend=KEY),
        strokeWidth=alt.StrokeWidth("series:N", sort=series, scale=widths, title=None, legend=KEY),
        opacity=faded(pick),
    )
    shown = [
        group_tooltip(by),
        alt.Tooltip("series:N", title="score of"),
        KL_TOOLTIP,
        tooltip("score", "score (SDs)"),
        tooltip("se", "one standard error (SDs)"),
    ]
    dots = (
        base.transform_filter("datum.low !== null")
        .mark_point(filled=True, size=16)
        .encode(y=y, color=colour, opacity=faded(pick), tooltip=shown)
    )
    beside, names = ([], []) if paper is None else paper_laws(paper, x, y)
    seeds = every.transform_filter("datum.seed !== null").mark_line(clip=True, strokeWidth=0.8)
    thin = seeds.encode(y=y, color=colour, detail="seed:N", opacity=faded(pick, full=0.45))
    one_by_one = [thin] if data["seed"].count() else []
    layers: list[alt.Chart] = [*beside, band, *one_by_one, lines.add_params(pick), dots]
    if peaks is not None:
        starred = peaks.select(by.labels(), pl.col("kl").round(4), pl.col("gold").round(4).alias("score"))
        layers.append(
            alt.Chart(starred)
            .mark_point(shape=STAR, filled=True, size=160, stroke=INK, strokeWidth=0.8)
            .encode(x=x, y=y, color=colour, opacity=faded(pick), tooltip=[shown[0], *shown[2:4]])
        )
    if line is not None:
        place = pl.DataFrame({"kl": [line]})
        layers.append(alt.Chart(place).mark_rule(color=INK, strokeDash=[2, 3]).encode(x=x))
    chart = alt.layer(*layers, *names)
    labels = [by.label(value) for value in values]
    if line_ends.fits(labels):
        ends = (
            data.filter(pl.col("seed").is_null(), series=SERIES[0])
            .group_by("group", maintain_order=True)
            .last()
        )
        pixel = (max(data["score"]) - min(data["score"])) / height
        across = (pl.col("kl") / furthest).sqrt()
        named = line_ends.end_names(
            ends, x, y, colour, faded(pick), across=across, pixel=pixel, first=first_shown(by, values)
        )
        chart = alt.layer(*layers, *names, named).properties(padding=line_ends.room(labels))
    return titled(chart, title, description, height)


def paper_laws(paper: pl.DataFrame, x: alt.X, y: alt.Y) -> tuple[list[alt.Chart], list[alt.Chart]]:
    """The paper's laws as grey lines, and the name of each where it ends, which is to stand above all else.

    Args:
        paper: `rm_params, assumed, kl, gold`: see `laws_elsewhere.paper_lines`.
        x: the axis of KL.
        y: the axis of the column `score`.
    """
    whose = {False: "paper", True: "paper's β"}
    laws = paper.select("rm_params", "assumed").unique(maintain_order=True)
    words = {size: f"{whose[assumed]}, {short_number(size)}" for size, assumed in laws.rows()}
    data = paper.select(
        pl.col("rm_params").replace_strict(words, return_dtype=pl.String).alias("law"),
        pl.when("assumed").then(pl.lit("read off, α assumed")).otherwise(pl.lit("read off")).alias("how"),
        pl.col("kl").round(4),
        pl.col("gold").round(4).alias("score"),
    )
    shown = [
        alt.Tooltip("law:N"),
        alt.Tooltip("how:N", title="known from"),
        KL_TOOLTIP,
        tooltip("score", "gold (SDs)"),
    ]
    base = alt.Chart(data).encode(x=x, y=y, detail="law:N")
    ends = alt.Chart(data.group_by("law", maintain_order=True).last())
    names = ends.mark_text(color=PAPER_INK, align="right", dx=-2, dy=-7, fontSize=11, fontWeight="bold")
    lines = base.mark_line(clip=True, color=PAPER_INK, strokeWidth=1.2)
    return [lines.encode(tooltip=shown)], [names.encode(x=x, y=y, text="law:N")]


def gold_against_proxy(mean: pl.DataFrame, *, description: str) -> Layered:
    """Gold score against proxy score along each curve, for both methods (paper: Fig. 8).

    Args:
        mean: `method, rm_params, place, kl, gold, gold_se, proxy, proxy_se`, averaged over seeds.
        description: what a reader who cannot see the chart is told.
    """
    words = pl.col("method").replace({"bon": "best-of-n", "ppo": "PPO"}).alias("way")
    parts = [
        thinned(part).with_columns(SIZES.labels(), words)
        for _, part in mean.group_by("method", maintain_order=True)
    ]
    data = pl.concat(parts).select(
        "group",
        "way",
        "place",
        pl.col("kl").round(3),
        pl.col("gold", "gold_se", "proxy", "proxy_se").round(4),
    )
    values = SIZES.values(mean)
    pick, colour = pick_group(SIZES, values), group_colour(SIZES, values)
    ways = ["best-of-n", "PPO"]
    x = alt.X("proxy:Q", title="proxy score (SDs)", axis=alt.Axis(grid=False))
    y = alt.Y("gold:Q", title="gold score (SDs)")
    shown = [
        group_tooltip(SIZES),
        alt.Tooltip("way:N", title="optimised by"),
        KL_TOOLTIP,
        *[
            tooltip(name, title)
            for score in ("proxy", "gold")
            for name, title in (
                (score, f"{score} score (SDs)"),
                (f"{score}_se", f"{score}: one standard error (SDs)"),
            )
        ],
    ]
    base = alt.Chart(data).encode(x=x, y=y, order="place:Q", color=colour, opacity=faded(pick), tooltip=shown)
    dash = alt.Scale(domain=ways, range=[SOLID, DASHED])
    lines = base.mark_line().encode(
        strokeDash=alt.StrokeDash("way:N", sort=ways, scale=dash, title=None, legend=KEY)
    )
    dots = base.mark_point(filled=True, size=14)
    low = max(float(data["proxy"].min()), float(data["gold"].min()))  # type: ignore[arg-type]
    high = min(float(data["proxy"].max()), float(data["gold"].max()))  # type: ignore[arg-type]
    diagonal = (
        alt.Chart(pl.DataFrame({"proxy": [low, high], "gold": [low, high]}))
        .mark_line(color=INK, opacity=0.8, strokeWidth=1.2, strokeDash=[2, 3])
        .encode(x="proxy:Q", y="gold:Q")
    )
    layers: list[alt.Chart] = [diagonal, lines.add_params(pick), dots]
    labels = [SIZES.label(value) for value in values]
    if not line_ends.fits(labels):
        return titled(alt.layer(*layers), "", description)
    ends = data.group_by("way", "group", maintain_order=True).last()
    wide = max(data["proxy"]) - min(data["proxy"])
    place, pixel = pl.col("proxy") / wide, (max(data["gold"]) - min(data["gold"])) / HEIGHT
    shown_ends = ends.select("group", "proxy", "gold")
    layers.append(
        line_ends.end_names(
            shown_ends, x, y, colour, faded(pick), across=place, pixel=pixel, first=first_shown(SIZES, values)
        )
    )
    return titled(alt.layer(*layers), "", description).properties(padding=line_ends.room(labels))
