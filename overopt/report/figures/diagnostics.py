"""How PPO moved: KL per step, its estimators against the exact KL, and the health of the updates."""

from __future__ import annotations

import altair as alt
import polars as pl

from overopt.analysis.groups import SIZES, Group
from overopt.report.figures.style import (
    HEIGHT,
    INK,
    Layered,
    faded,
    group_colour,
    group_tooltip,
    kl_axis,
    pick_group,
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


def kl_against_step(ppo: pl.DataFrame, *, by: Group = SIZES, description: str) -> alt.Chart:
    """KL against PPO step, a line a seed (paper: Fig. 16). `ppo`: the curves table's PPO rows."""
    pick = pick_group()
    data = _labelled(ppo, by).select("group", "seed", "step", "kl")
    return (
        alt.Chart(data)
        .mark_line(point=alt.OverlayMarkDef(size=16, filled=True), strokeWidth=1.6)
        .encode(
            x=alt.X("step:Q", title="PPO step", axis=alt.Axis(grid=False, tickMinStep=1)),
            y=alt.Y("kl:Q", title="KL (nats)"),
            color=group_colour(by, by.values(ppo)),
            detail="seed:N",
            opacity=faded(pick),
            tooltip=[group_tooltip(by), "seed:N", "step:Q", alt.Tooltip("kl:Q", format=".3g")],
        )
        .add_params(pick)
        .properties(width="container", height=HEIGHT, description=description)
    )


def ppo_health(ppo: pl.DataFrame, *, by: Group = SIZES, description: str) -> alt.ConcatChart:
    """Clip fraction (paper: Fig. 25), entropy and length against KL; columns without a value are left out."""
    pick = pick_group()
    data = _labelled(ppo, by).select("group", "seed", "step", "kl", *DIAGNOSTICS)
    largest = float(ppo["kl"].max()) * 1.02  # type: ignore[arg-type]
    views: list[alt.Chart] = []
    for name, title in DIAGNOSTICS.items():
        if data[name].null_count() == data.height:
            continue
        view = (
            alt.Chart(data)
            .transform_filter(f"datum.{name} !== null")
            .mark_line(point=alt.OverlayMarkDef(size=12, filled=True), strokeWidth=1.5)
            .encode(
                x=kl_axis(largest, title="KL (nats)"),
                y=alt.Y(f"{name}:Q", title=None, scale=alt.Scale(zero=name == "clip_fraction")),
                order="step:Q",
                color=group_colour(by, by.values(ppo)),
                detail="seed:N",
                opacity=faded(pick),
                tooltip=[group_tooltip(by), "seed:N", "step:Q", alt.Tooltip(f"{name}:Q", format=".3g")],
            )
            .properties(width=260, height=200, title=title)
        )
        views.append(view if views else view.add_params(pick))
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
    )
    largest = max(float(data["kl"].max()), float(data["estimate"].max())) * 1.02  # type: ignore[arg-type]
    names = ["k1", "k3"]
    pick = alt.selection_point(name="pick", fields=["estimator"], bind="legend")
    dots = (
        alt.Chart(data)
        .mark_point(filled=True, size=32)
        .encode(
            x=kl_axis(largest, title="exact KL (nats)"),
            y=alt.Y("estimate:Q", title="estimate (nats)", scale=alt.Scale(type="sqrt", nice=False)),
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
                "estimator:N",
                alt.Tooltip("kl:Q", format=".3g"),
                alt.Tooltip("estimate:Q", format=".3g"),
            ],
        )
        .add_params(pick)
    )
    equal = pl.DataFrame({"kl": [i * largest / 20 for i in range(21)]}).with_columns(estimate=pl.col("kl"))
    diagonal = (
        alt.Chart(equal).mark_line(color=INK, opacity=0.4, strokeWidth=1).encode(x="kl:Q", y="estimate:Q")
    )
    return alt.layer(diagonal, dots).properties(width="container", height=HEIGHT, description=description)
