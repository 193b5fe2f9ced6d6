"""Averages over seeds of the measured curves, with their errors, and their highest points.

Every number on a page is computed by an estimator or from the measured table; no page types one, and the wording
follows the data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl

from overopt.analysis.groups import SIZES, Group
from overopt.estimators.uncertainty import error_over_seeds

NAMES = {"bon": "best-of-n", "ppo": "PPO"}


def plain_curves(curves: pl.DataFrame, policy_params: int) -> pl.DataFrame:
    """The curves of one policy against single proxies trained once on clean pairs, without a KL penalty."""
    plain = curves.filter(kl_penalty=0.0, label_noise=0.0, ensemble="single", epochs=1, rounds=1)
    return plain.filter(pl.col("method").is_in(list(NAMES)), policy_params=policy_params)


def main_pairs(plain: pl.DataFrame) -> int:
    """The number of pairs that the figures of proxy size have: the most that PPO was run with, or that there is."""
    ppo = plain.filter(method="ppo")
    return int((ppo if ppo.height else plain)["pairs"].max())  # type: ignore[arg-type]


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


def points(curve: pl.DataFrame, score: str = "gold") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """KL, a score and the score's error along a curve, as laws are fitted to them."""
    kl, values, errors = (curve[name].to_numpy() for name in ("kl", score, f"{score}_se"))
    return kl, values, errors


def over_seeds(runs: Sequence[pl.DataFrame], score: str, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of a score over runs, at every place of the grid, and its error: see `error_over_seeds`."""
    values, errors = (at_places(runs, name, grid) for name in (score, f"{score}_se"))
    return values.mean(axis=0), error_over_seeds(values, errors)


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
