"""The links of the chain: language models, the gold model's validity and the proxies' validation."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import polars as pl

from overopt.report.figures.style import INK, PAPER_INK, Layered, log_size_axis, tooltip
from overopt.util.words import short_number

KINDS = {
    "human ratings": "rated by people",
    "looped": "words looped",
    "stuck": "stuck on a few words",
    "shuffled": "words shuffled",
    "stuttered": "words stuttered",
    "echoed": "a phrase said again",
}
GOLD, GATE, BASELINE = "#e8903a", "#2a9d8f", "#4f74e3"
GATE_ALONE = "its judges of language alone"


def language_model_losses(models: list[dict[str, Any]], *, description: str) -> alt.Chart:
    """Held-out loss (nats per token) of each language model against its parameters."""
    data = pl.DataFrame(models).select("name", "params", pl.col("loss").round(4))
    return (
        alt.Chart(data)
        .mark_line(point=alt.OverlayMarkDef(size=60, filled=True, color=BASELINE), color=BASELINE)
        .encode(
            x=log_size_axis(data["params"].to_list(), title="language model parameters (without embeddings)"),
            y=alt.Y("loss:Q", title="held-out loss (nats per token)", scale=alt.Scale(zero=False)),
            tooltip=[
                alt.Tooltip("name:N", title="language model"),
                tooltip("params", "parameters", ","),
                tooltip("loss", "held-out loss (nats per token)"),
            ],
        )
        .properties(width="container", height=260, description=description)
    )


def gold_scores(scores: list[float], *, description: str, bins: int = 40) -> Layered:
    """Histogram of gold scores of initial-policy samples, beside a normal curve of the same moments.

    Args:
        scores: one score a sample, in SDs of the initial policy's gold.
        description: what a reader who cannot see the chart is told.
        bins: number of bars.
    """
    values = np.asarray(scores, dtype=float)
    density, edges = np.histogram(values, bins=bins, density=True)
    bars = pl.DataFrame({"left": edges[:-1], "right": edges[1:], "density": density}).select(
        pl.all().round(4)
    )
    grid = np.linspace(edges[0], edges[-1], 60)
    spread = float(values.std()) or 1.0
    normal = np.exp(-0.5 * ((grid - values.mean()) / spread) ** 2) / (spread * np.sqrt(2 * np.pi))
    curve = pl.DataFrame({"score": grid.round(4), "density": normal.round(4)})
    histogram = (
        alt.Chart(bars)
        .mark_rect(color=GOLD, opacity=0.75)
        .encode(
            x=alt.X("left:Q", title="gold score of a sample (SDs)", scale=alt.Scale(nice=False)),
            x2="right:Q",
            y=alt.Y("density:Q", title="density"),
            y2=alt.datum(0),
            tooltip=[
                tooltip("left", "gold score from (SDs)", ".2f"),
                tooltip("right", "to (SDs)", ".2f"),
                tooltip("density", "density (per SD)"),
            ],
        )
    )  # fmt: skip
    line = (
        alt.Chart(curve)
        .mark_line(color=INK, strokeWidth=1, strokeDash=[4, 3])
        .encode(x="score:Q", y="density:Q")
    )
    return alt.layer(histogram, line).properties(width="container", height=260, description=description)


def gold_accuracy(kinds: list[dict[str, Any]], *, description: str) -> Layered:
    """Held-out accuracy of the gold model and of its TF-IDF baseline, by kind of pair, with one standard error.

    Args:
        kinds: dicts with `kind`, `accuracy`, `accuracy_se`, `baseline`, `fluency` (fractions; the last is of gold's
            judges of language alone, and the last two are None where they have no say), and `count`, the pairs they are of.
        description: what a reader who cannot see the chart is told.
    """
    rows = []
    order = [KINDS.get(kind["kind"], kind["kind"]) for kind in kinds]
    for word, kind in zip(order, kinds, strict=True):
        rows.append((word, "gold model", kind["accuracy"], kind["accuracy_se"]))
        if kind["fluency"] is not None:
            rows.append((word, GATE_ALONE, kind["fluency"], _se(kind["fluency"], kind["count"])))
        if kind["baseline"] is not None:
            rows.append((word, "TF-IDF baseline", kind["baseline"], _se(kind["baseline"], kind["count"])))
    data = pl.DataFrame(rows, schema=["kind", "judge", "accuracy", "se"], orient="row").with_columns(
        (pl.col("accuracy") - pl.col("se")).round(4).alias("low"),
        (pl.col("accuracy") + pl.col("se")).round(4).alias("high"),
        pl.col("accuracy", "se").round(4),
    )
    judges = ["gold model", GATE_ALONE, "TF-IDF baseline"]
    base = alt.Chart(data).encode(
        y=alt.Y("kind:N", sort=order, title=None, axis=alt.Axis(labelLimit=220)),
        yOffset=alt.YOffset("judge:N", sort=judges),
        color=alt.Color(
            "judge:N",
            sort=judges,
            scale=alt.Scale(domain=judges, range=[GOLD, GATE, BASELINE]),
            title=None,
            legend=alt.Legend(columns=1),
        ),
    )
    low = 0.0 if min(data["low"]) < 0.5 else 0.5
    x_title = "accuracy (0.5 is chance)"
    x = alt.X("accuracy:Q", title=x_title, scale=alt.Scale(domain=[low, 1], nice=False))
    bars = base.mark_bar(opacity=0.85, clip=True).encode(
        x=x,
        x2=alt.datum(low),
        tooltip=[
            alt.Tooltip("kind:N", title="pairs"),
            alt.Tooltip("judge:N", title="judge"),
            tooltip("accuracy", "accuracy (fraction of pairs)"),
            tooltip("se", "one standard error"),
        ],
    )
    errors = base.mark_rule(color=INK, strokeWidth=1.5).encode(
        x=alt.X("low:Q", title=x_title), x2="high:Q", color=alt.value(INK)
    )
    chance = (
        alt.Chart(pl.DataFrame({"chance": [0.5]}))
        .mark_rule(color=INK, strokeDash=[4, 3], strokeWidth=1)
        .encode(x=alt.X("chance:Q", title=x_title))
    )
    return alt.layer(bars, errors, chance).properties(
        width="container", height=alt.Step(22), description=description
    )


def _se(share: float, count: int) -> float:
    return float(np.sqrt(share * (1 - share) / count))


def proxy_validation(proxies: pl.DataFrame, *, description: str) -> alt.ConcatChart:
    """Validation loss (paper: Fig. 11) and accuracy of proxies against size; points are seeds, lines means.

    Args:
        proxies: `rm_params, seed, rm_loss, rm_accuracy`, one row a proxy.
        description: what a reader who cannot see the chart is told.
    """
    data = proxies.select(
        pl.col("rm_params").alias("params"), "seed", pl.col("rm_loss", "rm_accuracy").round(4)
    )
    sizes = data["params"].unique().to_list()
    views = []
    for name, title in (
        ("rm_loss", "validation loss (nats per pair)"),
        ("rm_accuracy", "validation accuracy"),
    ):
        x = log_size_axis(sizes, title="proxy parameters")
        scale = alt.Scale(zero=False)
        shown = [tooltip("params", "proxy parameters", ","), alt.Tooltip("seed:N", title="seed")]
        dots = (
            alt.Chart(data)
            .mark_point(filled=True, size=45, color=BASELINE, opacity=0.8)
            .encode(
                x=x,
                y=alt.Y(f"{name}:Q", title=None, scale=scale),
                tooltip=[*shown, tooltip(name, title)],
            )
        )  # fmt: skip
        mean = data.group_by("params", maintain_order=True).agg(pl.col(name).mean().round(4)).sort("params")
        line = (
            alt.Chart(mean)
            .mark_line(color=BASELINE)
            .encode(x=x, y=alt.Y(f"{name}:Q", scale=scale, title=None))
        )
        views.append(alt.layer(line, dots).properties(width=260, height=220, title=title))
    return alt.concat(*views, columns=2).properties(description=description)


def coefficients(
    table: pl.DataFrame, paper: pl.DataFrame | None = None, *, title: str, description: str
) -> alt.ConcatChart:
    """Fitted alpha and beta against proxy parameters with intervals (paper: Fig. 3); the paper's own in grey.

    Args:
        table: `rm_params`, and for `alpha` and `beta` the value, `_low` and `_high`.
        paper: `rm_params, alpha, beta`, where known, of the paper's smallest and largest proxy.
        title: the law's name, set above the panels' titles.
        description: what a reader who cannot see the chart is told.
    """
    sizes = [size for data in (table, paper) if data is not None for size in data["rm_params"].unique()]
    views = []
    for name, sign, colour in (("alpha", "α", GOLD), ("beta", "β", BASELINE)):
        columns = [
            pl.col(name).alias("value"),
            pl.col(f"{name}_low").alias("low"),
            pl.col(f"{name}_high").alias("high"),
        ]
        data = table.select(pl.col("rm_params").alias("params"), *[column.round(4) for column in columns])
        x = log_size_axis(sizes, title="proxy parameters")
        y = alt.Y("value:Q", title=None, scale=alt.Scale(zero=False))
        base = alt.Chart(data).encode(x=x)
        line = base.mark_line(color=colour, opacity=0.5, strokeWidth=1).encode(y=y)
        bars = base.mark_rule(color=colour, strokeWidth=2).encode(y=alt.Y("low:Q", title=None), y2="high:Q")
        dots = base.mark_point(filled=True, size=70, color=colour).encode(
            y=y,
            tooltip=[
                tooltip("params", "proxy parameters", ","),
                tooltip("value", sign),
                tooltip("low", "95% interval from"),
                tooltip("high", "to"),
            ],
        )
        known = [] if paper is None else _paper_points(paper, name, x)
        view = alt.layer(*known, line, bars, dots)
        views.append(view.properties(width=260, height=220, title=f"{sign}, {title}"))
    return alt.concat(*views, columns=2).properties(description=description)


def _paper_points(paper: pl.DataFrame, name: str, x: alt.X) -> list[alt.Chart]:
    """The paper's values of one coefficient, joined and named; nothing where none is known."""
    data = paper.drop_nulls(name).select(
        pl.col("rm_params").alias("params"),
        pl.col(name).alias("value"),
        word=pl.lit("paper, " + " to ".join(map(short_number, sorted(paper["rm_params"])))),
    )
    if data.is_empty():
        return []
    base = alt.Chart(data).encode(x=x, y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=False)))
    shown = [tooltip("params", "parameters of the paper's proxy", ","), tooltip("value", "read off")]
    dots = base.mark_point(filled=True, shape="diamond", size=70, color=PAPER_INK).encode(tooltip=shown)
    # above a line that goes down, below one that goes up: beside it, and not on it
    falls = data["value"][0] > data["value"][-1]
    named = alt.Chart(data.head(1)).mark_text(color=PAPER_INK, align="left", dx=4, dy=-10 if falls else 16)
    return [
        base.mark_line(color=PAPER_INK, strokeDash=[8, 4]),
        dots,
        named.encode(x=x, y=alt.Y("value:Q", title=None), text="word:N"),
    ]
