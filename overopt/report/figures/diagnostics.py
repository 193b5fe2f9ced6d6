"""How PPO moved: KL per step, its estimators against the exact KL, and the health of the updates."""

from __future__ import annotations

import altair as alt
import polars as pl

from overopt.analysis.groups import SIZES, Group
from overopt.analysis.seed_means import seed_means
from overopt.report.figures import line_ends
from overopt.report.figures.style import (
    HEIGHT,
    INK,
    KL_TOOLTIP,
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

DIAGNOSTICS = {
    "clip_fraction": "fraction of updates clipped",
    "entropy": "entropy (nats per token)",
    "length": "length (tokens)",
}


def _labelled(ppo: pl.DataFrame, by: Group) -> pl.DataFrame:
    rounded = pl.selectors.float().exclude("kl_penalty").round(4)
    return ppo.with_columns(by.labels(), pl.col("seed").cast(pl.String), rounded).sort(
        by.column, "seed", "step"
    )


def _runs_and_mean(
    ppo: pl.DataFrame, name: str, along: str, by: Group, axes: tuple[alt.X, alt.Y], pick: alt.Parameter
) -> list[alt.Chart]:
    """A thin line a seed, and over those of a group of several their mean, without points of its own."""
    data, colour = _labelled(ppo, by), group_colour(by, by.values(ppo))
    mean = seed_means(ppo, name, along, by).with_columns(by.labels(), pl.col(along, name).round(4))
    several = mean.height > 0
    encoded = {"x": axes[0], "y": axes[1], "color": colour}
    thin = (
        alt.Chart(data.select(*dict.fromkeys(["group", "seed", "step", "kl", name])))
        .mark_line(
            point=alt.OverlayMarkDef(size=12, filled=True, opacity=0.6 if several else 1),
            strokeWidth=0.8 if several else 1.6,
        )
        .encode(
            **encoded,
            order="step:Q",
            detail="seed:N",
            opacity=faded(pick, full=0.5 if several else 1.0),
            tooltip=[
                group_tooltip(by),
                alt.Tooltip("seed:N", title="seed"),
                tooltip("step", "PPO step", "d"),
                KL_TOOLTIP,
                *([] if name == "kl" else [tooltip(name, DIAGNOSTICS[name], ".3g")]),
            ],
        )
    )
    line = alt.Chart(mean.select("group", along, name)).mark_line(strokeWidth=2.4)
    thick = line.encode(**encoded, order=f"{along}:Q", opacity=faded(pick))
    return [thin, *([thick] if several else [])]


def kl_against_step(ppo: pl.DataFrame, *, by: Group = SIZES, description: str) -> Layered:
    """KL against PPO step, a thin line a seed and their mean, as far as all came (paper: Fig. 16).

    Args:
        ppo: the curves table's PPO rows.
        by: what groups of runs differ in.
        description: what a reader who cannot see the chart is told.
    """
    values = by.values(ppo)
    pick = pick_group(by, values)
    x = alt.X("step:Q", title="PPO step", axis=alt.Axis(grid=False, tickMinStep=1))
    y = alt.Y("kl:Q", title="KL (nats)")
    layers = _runs_and_mean(ppo, "kl", "step", by, (x, y), pick)
    layers[0] = layers[0].add_params(pick)
    labels = [by.label(value) for value in values]
    if not line_ends.fits(labels):
        return titled(alt.layer(*layers), "", description)
    # beside the furthest of a group's runs
    ends = _labelled(ppo, by).sort("step", "kl").group_by("group", maintain_order=True).last()
    place, pixel = pl.col("step") / max(ppo["step"]), max(ppo["kl"]) / HEIGHT
    colour = group_colour(by, values)
    shown = ends.select("group", "step", "kl")
    layers.append(
        line_ends.end_names(
            shown, x, y, colour, faded(pick), across=place, pixel=pixel, first=first_shown(by, values)
        )
    )
    return titled(alt.layer(*layers), "", description).properties(padding=line_ends.room(labels))


def ppo_health(ppo: pl.DataFrame, *, by: Group = SIZES, description: str) -> alt.ConcatChart:
    """Clip fraction (paper: Fig. 25), entropy and length against KL; columns without a value are left out.

    Args:
        ppo: the curves table's PPO rows.
        by: what groups of runs differ in.
        description: what a reader who cannot see the chart is told.
    """
    pick = pick_group(by, by.values(ppo))
    x = kl_axis(float(ppo["kl"].max()) * 1.02, title="KL (nats)")  # type: ignore[arg-type]
    views: list[Layered] = []
    for name, title in DIAGNOSTICS.items():
        known = ppo.drop_nulls(name)
        if known.is_empty():
            continue
        y = alt.Y(f"{name}:Q", title=None, scale=alt.Scale(zero=name == "clip_fraction"))
        layers = _runs_and_mean(known, name, "kl", by, (x, y), pick)
        if not views:
            layers[0] = layers[0].add_params(pick)
        views.append(alt.layer(*layers).properties(width=260, height=200, title=title))
    return alt.concat(*views, columns=2).properties(description=description)


def kl_estimators(ppo: pl.DataFrame, *, description: str) -> Layered:
    """Sampled estimators k1 and k3 against the exact KL; on the diagonal they agree."""
    data = (
        _labelled(ppo, SIZES)
        .filter(pl.col("kl") > 0)
        .select("group", "kl", "kl_k1", "kl_k3")
        .unpivot(["kl_k1", "kl_k3"], index=["group", "kl"], variable_name="estimator", value_name="estimate")
        .with_columns(pl.col("estimator").str.strip_prefix("kl_"))
        .drop_nulls()
        .sort("estimator", descending=True)  # k1 is drawn last: where it lies closer to the line, k3 hid it
    )
    largest = float(data["kl"].max()) * 1.02  # type: ignore[arg-type]
    names = ["k1", "k3"]
    pick = alt.selection_point(name="pick", fields=["estimator"], bind="legend")
    dots = (
        alt.Chart(data)
        .mark_point(filled=True, size=32)
        .encode(
            x=kl_axis(largest, title="exact KL (nats, √ scale)"),
            y=alt.Y("estimate:Q", title="estimate (nats, √ scale)", scale=alt.Scale(type="sqrt", nice=False)),
            color=alt.Color(
                "estimator:N",
                sort=names,
                scale=alt.Scale(domain=names, range=["#e8903a", "#4f74e3"]),
                title="estimator",
            ),
            shape=alt.Shape(
                "estimator:N",
                sort=names,
                scale=alt.Scale(domain=names, range=["circle", "square"]),
                title="estimator",
            ),
            opacity=faded(pick, full=0.8),
            tooltip=[
                group_tooltip(SIZES),
                alt.Tooltip("estimator:N", title="estimator"),
                tooltip("kl", "exact KL (nats)", ".3g"),
                tooltip("estimate", "estimate (nats)", ".3g"),
            ],
        )
        .add_params(pick)
    )
    equal = pl.DataFrame({"kl": [i * largest / 20 for i in range(21)]}).with_columns(estimate=pl.col("kl"))
    diagonal = (
        alt.Chart(equal).mark_line(color=INK, opacity=0.4, strokeWidth=1).encode(x="kl:Q", y="estimate:Q")
    )
    return alt.layer(diagonal, dots).properties(width="container", height=HEIGHT, description=description)
