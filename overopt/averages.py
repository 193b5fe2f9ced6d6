"""Averages over seeds of the measured curves, with their errors, and their highest points.

Every number on a page is computed by an estimator or from the measured table; no page types one, and the wording
follows the data.
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from overopt.groups import SIZES, Group

NAMES = {"bon": "best-of-n", "ppo": "PPO"}

SCORES = ("gold", "gold_se", "proxy", "proxy_se")


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
            reach, points = min(float(run["place"][-1]) for run in runs), max(run.height for run in runs)
            grid = np.linspace(0, reach, points)
            kl = np.mean([_interpolated(run, "kl", grid) for run in runs], 0) if by_step else grid**2
        # [scores, seeds, points]
        values = np.array([[_interpolated(run, name, grid) for run in runs] for name in SCORES])
        means = dict(zip(SCORES, values.mean(axis=1), strict=True))
        for k, name in enumerate(SCORES[1::2]):
            means[name] = error_over_seeds(values[2 * k], values[2 * k + 1])
        which = [
            pl.lit(method).alias("method"),
            pl.lit(value, dtype=curves.schema[by.column]).alias(by.column),
        ]
        rows.append(pl.DataFrame({"place": grid, "kl": kl, **means}).select(*which, pl.all()))
    return pl.concat(rows).sort("method", by.column, "place")


def error_over_seeds(values: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Standard error of a mean over seeds; `errors`, [seeds, ...] as `values`, are over prompts, nan (one prompt) for none.

    The seeds judge the same prompts, whose error does not shrink with seeds: se^2 = mean(se^2) + variance over
    seeds / seeds.
    """
    within = (np.nan_to_num(errors) ** 2).mean(axis=0)
    spread = values.var(axis=0, ddof=1) / len(values) if len(values) > 1 else 0.0
    return np.asarray(np.sqrt(within + spread))


def _interpolated(run: pl.DataFrame, name: str, grid: np.ndarray) -> np.ndarray:
    return np.interp(grid, run["place"].to_numpy(), run[name].to_numpy())


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
