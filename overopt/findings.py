"""From the measured table to what the pages say: averages over seeds, fitted laws, peaks, sentences.

Every number on a page is computed here or in `laws` and `bootstrap`; no page types one, and the wording
follows the data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from overopt.bootstrap import Bootstrap, bootstrap, even_grid, not_drawn
from overopt.curves import prompt_curve
from overopt.figures.style import SIZES, Group, short_number
from overopt.laws import LAWS, fit
from overopt.pages import capital, number
from overopt.seeding import derive
from overopt.uncertainty import error_over_seeds

# the law that the paper has for a method, and the methods that pages show
LAW_OF = {"bon": LAWS["bon"], "ppo": LAWS["rl"], "rloo": LAWS["rl"]}
NAMES = {"bon": "best-of-n", "ppo": "PPO"}

Fits = dict[tuple[str, Any], Bootstrap]  # by method, and the value that the curves of a figure differ in


def plain_curves(curves: pl.DataFrame) -> pl.DataFrame:
    """The curves of the study's policy against single proxies trained once on clean pairs, without a KL penalty."""
    policy = curves.filter(method="bon").group_by("policy_params").len().sort("len")["policy_params"][-1]
    plain = curves.filter(kl_penalty=0.0, label_noise=0.0, ensemble="single", epochs=1, rounds=1)
    return plain.filter(pl.col("method").is_in(list(NAMES)), policy_params=policy)


def main_pairs(curves: pl.DataFrame) -> int:
    """The number of pairs that the figures of proxy size have: the most that PPO was run with, or that there is."""
    plain = plain_curves(curves)
    ppo = plain.filter(method="ppo")
    return int((ppo if ppo.height else plain)["pairs"].max())  # type: ignore[arg-type]


def main_curves(curves: pl.DataFrame) -> pl.DataFrame:
    """The plain curves that differ in proxy size and seed only."""
    return plain_curves(curves).filter(pairs=main_pairs(curves))


def averaged(curves: pl.DataFrame, by: Group = SIZES) -> pl.DataFrame:
    """Mean over seeds: columns `method`, that of `by`, `place, kl, gold, gold_se, proxy, proxy_se`, sorted by `place`.

    Best-of-n is averaged at each n. PPO runs reach different KL at the same step, so their scores are
    interpolated in sqrt(KL) onto one grid that ends where the shortest run ends: `place` is sqrt(KL). A single run is
    followed by its steps, and so are runs with a KL penalty, which holds KL still while gold moves on: `place` is
    the step. Errors are those of `error_over_seeds`.
    """
    rows = []
    for (method, value), part in curves.group_by("method", by.column, maintain_order=True):
        by_step = method == "ppo" and ((part["kl_penalty"] > 0).any() or part["record"].n_unique() == 1)
        place = pl.col("step").cast(pl.Float64) if by_step else pl.col("kl").sqrt()
        runs = [
            run.with_columns(place=place).sort("place")
            for run in part.partition_by("record", maintain_order=True)
        ]
        if method == "bon" or len(runs) == 1:
            grid, kl = (runs[0][name].to_numpy() for name in ("place", "kl"))
        else:
            grid = common_grid(runs)
            kl = at_places(runs, "kl", grid).mean(axis=0) if by_step else grid**2
        columns = {"place": grid, "kl": kl}
        for score in ("gold", "proxy"):
            columns[score], columns[f"{score}_se"] = over_seeds(runs, score, grid)
        which = [
            pl.lit(method).alias("method"),
            pl.lit(value, dtype=curves.schema[by.column]).alias(by.column),
        ]
        rows.append(pl.DataFrame(columns).select(*which, pl.all()))
    return pl.concat(rows).sort("method", by.column, "place")


def common_grid(runs: Sequence[pl.DataFrame]) -> np.ndarray:
    """Places, evenly from 0 to where the shortest of the runs ends, as many as the longest has points."""
    return np.linspace(0, min(run["place"][-1] for run in runs), max(run.height for run in runs))


def at_places(runs: Sequence[pl.DataFrame], name: str, grid: np.ndarray) -> np.ndarray:
    """A column of each run, interpolated at every place of the grid: [runs, places]."""
    return np.array([np.interp(grid, run["place"].to_numpy(), run[name].to_numpy()) for run in runs])


def over_seeds(runs: Sequence[pl.DataFrame], score: str, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of a score over runs, at every place of the grid, and its error: see `error_over_seeds`."""
    values, errors = (at_places(runs, name, grid) for name in (score, f"{score}_se"))
    return values.mean(axis=0), error_over_seeds(values, errors)


def fitted(curves: pl.DataFrame, by_prompt: pl.DataFrame, by: Group = SIZES, *, draws: int = 1000) -> Fits:
    """The law of each method and group, fitted to all seeds; intervals are over prompts and seeds."""
    fits: Fits = {}
    for (method, value), part in curves.group_by("method", by.column, maintain_order=True):
        runs = [prompt_points(by_prompt, record) for record in part["record"].unique(maintain_order=True)]
        law, (kl, gold) = LAW_OF[str(method)], runs[0]
        if len(runs) == gold.shape[1] == 1:  # neither seeds nor prompts to draw from
            fits[str(method), value] = not_drawn(fit(kl, gold[:, 0], law=law), even_grid(kl))
            continue
        rng = np.random.default_rng(derive(0, "bootstrap", str(method), by.label(value)))
        fits[str(method), value] = bootstrap(runs, law, rng=rng, draws=draws)
    return fits


def prompt_points(by_prompt: pl.DataFrame, record: str) -> tuple[np.ndarray, np.ndarray]:
    """KL and gold of one curve by prompt, as `bootstrap` takes them."""
    points = prompt_curve(by_prompt, record)
    # The KL of best-of-n is known, and the same for every prompt.
    same = (points["kl"] == points["kl"][:, :1]).all()
    return (points["kl"][:, 0] if same else points["kl"]), points["gold"]


def law_lines(fits: Fits, method: str, by: Group = SIZES) -> pl.DataFrame:
    """The fitted laws of one method on a grid over the measured KL: the column of `by`, `kl, gold`."""
    lines = []
    for (name, value), found in fits.items():
        if name != method or math.isnan(found.fit.alpha):
            continue
        line = pl.DataFrame({"kl": found.grid_kl, "gold": found.fit.predict(found.grid_kl)})
        lines.append(line.select(pl.lit(value, dtype=_type(value)).alias(by.column), pl.all()))
    if lines:
        return pl.concat(lines)
    return pl.DataFrame(schema={by.column: pl.Int64, "kl": pl.Float64, "gold": pl.Float64})


def _type(value: Any) -> Any:
    return pl.Int64 if isinstance(value, int) else pl.Float64


def coefficient_table(fits: Fits, method: str, by: Group = SIZES) -> pl.DataFrame:
    """One row a group: alpha, beta, peak_kl, peak_gold with `_low` and `_high`, status, turns_down."""
    rows = []
    for (name, value), found in sorted(fits.items()):
        if name == method:
            row: dict[str, object] = {by.column: value}
            for field in ("alpha", "beta", "peak_kl", "peak_gold"):
                row[field] = getattr(found.fit, field)
                row[f"{field}_low"], row[f"{field}_high"] = getattr(found, field)
            rows.append({**row, "status": found.fit.status, "turns_down": found.turns_down})
    return pl.DataFrame(rows)


def measured_peaks(mean: pl.DataFrame, method: str, by: Group = SIZES) -> pl.DataFrame:
    """The highest measured gold of each group, and whether gold falls after it.

    Columns: that of `by`, `kl, gold, gold_se, end_kl, end_gold, falls`. Gold falls if its last point lies below its
    highest by more than two standard errors of their difference (taken as independent: conservative).
    """
    rows = []
    for (value,), curve in mean.filter(pl.col("method") == method).group_by(by.column, maintain_order=True):
        curve = curve.sort("place")
        top, end = curve.row(int(curve["gold"].arg_max() or 0), named=True), curve.row(-1, named=True)
        falls = top["gold"] - end["gold"] > 2 * math.hypot(top["gold_se"], end["gold_se"])
        rows.append((value, top["kl"], top["gold"], top["gold_se"], end["kl"], end["gold"], falls))
    names = [by.column, "kl", "gold", "gold_se", "end_kl", "end_gold", "falls"]
    return pl.DataFrame(rows, schema=names, orient="row").sort(by.column)


def say_seeds(curves: pl.DataFrame) -> str:
    """How many seeds stand behind the curves of each method, and so what their bands and intervals are over."""
    parts = []
    for method, name in NAMES.items():
        rows = curves.filter(method=method)
        if rows.height:
            counts = rows.group_by("rm_params").agg(pl.col("record").n_unique())["record"]
            low, high = int(counts.min()), int(counts.max())  # type: ignore[arg-type]
            many = f"{low}" if low == high else f"{low} to {high}"
            over = (
                "prompts and seeds"
                if low > 1
                else "prompts alone"
                if high == 1
                else "prompts, and seeds where there are several"
            )
            parts.append(
                f"{name}: {many} seed{'s' if high > 1 else ''} a proxy size, so bands are over {over}"
            )
    return capital("; ".join(parts)) + "."


def say_falls(peaks: pl.DataFrame) -> str:
    """How many gold curves rise and then fall inside the measured range."""
    falling, count, reach = sum(peaks["falls"]), peaks.height, max(peaks["end_kl"])
    return (
        f"Gold falls again, by more than two standard errors, for {falling} of {count} proxy sizes before "
        f"{reach:.1f} nats, where the measurement ends."
    )


def say_trend(values: pl.DataFrame, column: str, what: str) -> str:
    """Whether `column` rises from each proxy size to the next."""
    values = values.sort("rm_params")
    numbers, sizes = values[column].to_list(), [short_number(size) for size in values["rm_params"]]
    if len(numbers) < 2:
        return f"Only one proxy size was measured: nothing can be said about {what} and size."
    what = what[0].upper() + what[1:]
    steps = [after > before for before, after in pairwise(numbers)]
    ends = f"from {number(numbers[0])} ({sizes[0]} parameters) to {number(numbers[-1])} ({sizes[-1]})"
    top, low = (f(range(len(numbers)), key=numbers.__getitem__) for f in (max, min))
    for word, k in (("highest", top), ("lowest", low)):
        if k not in (0, len(numbers) - 1):
            ends += f", {word} {number(numbers[k])} ({sizes[k]})"
    if all(steps):
        return f"{what} rises with every step in proxy size, {ends}."
    if not any(steps):
        return f"{what} falls with every step in proxy size, {ends}."
    return f"{what} goes {ends}; it rises in {sum(steps)} of {len(steps)} steps in proxy size."


def say_alpha(table: pl.DataFrame) -> str:
    """Whether alpha may be the same for all proxy sizes."""
    table = table.filter(pl.col("alpha").is_not_nan())
    if table.height < 2:
        return "Too few fits to compare alpha between proxy sizes."
    low, high = (f"{value:.2f}" for value in (min(table["alpha"]), max(table["alpha"])))
    overlap = float(table["alpha_low"].max()) <= float(table["alpha_high"].min())  # type: ignore[arg-type]
    return f"Alpha lies between {low} and {high}; " + (
        "all its intervals overlap." if overlap else "its intervals do not all overlap."
    )


def say_statuses(table: pl.DataFrame) -> str:
    """How many fits may be trusted for their peak."""
    good = int((table["status"] == "ok").sum())
    return f"{good} of {table.height} fits put the peak inside the measured range and may be trusted for it."


def say_reach(mean: pl.DataFrame) -> str:
    """The highest gold of each method over all proxy sizes, and the KL it took."""
    parts = []
    for method, name in NAMES.items():
        rows = mean.filter(pl.col("method") == method)
        if rows.height:
            top = rows.row(int(rows["gold"].arg_max() or 0), named=True)
            parts.append(
                f"{name} reaches {top['gold']:.2f} SDs of gold at {top['kl']:.1f} nats, "
                f"with the proxy of {short_number(top['rm_params'])} parameters"
            )
    return "At its best, " + "; ".join(parts) + "."


def say_proxies(proxies: pl.DataFrame) -> str:
    """Validation loss against size, averaged over seeds."""
    mean = proxies.group_by("rm_params").agg(pl.col("rm_loss", "rm_accuracy").mean()).sort("rm_params")
    first, last = mean.row(0, named=True), mean.row(-1, named=True)
    return (
        f"{say_trend(mean, 'rm_loss', 'validation loss')} "
        f"Accuracy goes from {100 * first['rm_accuracy']:.0f}% to {100 * last['rm_accuracy']:.0f}%."
    )


def proxy_of(curves: pl.DataFrame, texts: pl.DataFrame) -> str:
    """The size of the proxy behind `texts` (one record), in words."""
    return short_number(curves.filter(pl.col("record") == texts["record"][0])["rm_params"][0])


def furthest_fall(curves: pl.DataFrame, method: str) -> str:
    """The record of `method` whose gold ends furthest below its highest point."""
    falls = (
        curves.filter(method=method)
        .sort(pl.coalesce("n", "step"))
        .group_by("record", maintain_order=True)
        .agg(fall=pl.col("gold").max() - pl.col("gold").last())
        .sort("fall", "record")
    )
    return str(falls["record"][-1])


def best_of_n_texts(texts: pl.DataFrame, curves: pl.DataFrame) -> pl.DataFrame:
    """The best-of-n texts of the first prompt of the record with the furthest fall, in order of n.

    A completion that stays the best for several n stands once, from `n` to `most`.
    """
    bon = texts.filter(record=furthest_fall(curves, "bon"))
    shown = bon.filter(prompt_text=bon["prompt_text"][0]).sort("n")
    same = (pl.col("completion") != pl.col("completion").shift()).fill_null(True).cum_sum().alias("same")
    once = shown.group_by(same, maintain_order=True).agg(
        pl.exclude("n").first(), pl.col("n").min(), most=pl.col("n").max()
    )
    return once.drop("same")


def ppo_texts(texts: pl.DataFrame, curves: pl.DataFrame, *, each: int = 2) -> pl.DataFrame:
    """`each` samples of the PPO run with the furthest fall: at its start, before, at and after its highest gold.

    The column `stage` says which, `first` marks its first row. The last stage is "far past it" only where KL is
    half as large again as at the highest gold.
    """
    record = furthest_fall(curves, "ppo")
    ppo, curve = texts.filter(record=record), curves.filter(record=record)
    steps = ppo["step"].unique().sort().to_list()
    top = curve.row(int(curve["gold"].arg_max() or 0), named=True)
    peak = min(steps, key=lambda step: abs(step - top["step"]))
    way = [step for step in steps if steps[0] < step < peak]
    far = float(curve.sort("step")["kl"][-1]) > 1.5 * top["kl"]
    stages = {steps[0]: "initial policy", steps[-1]: "far past it" if far else "end of the run"}
    if way:
        stages[way[len(way) // 2]] = "before the highest"
    stages[peak] = "highest gold"  # where it coincides with another stage, this is what matters
    parts = [
        ppo.filter(step=step).head(each).with_columns(stage=pl.lit(stages[step])) for step in sorted(stages)
    ]
    return pl.concat(parts).with_columns(first=pl.col("stage").is_first_distinct())
