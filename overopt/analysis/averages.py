"""Averages over seeds of the measured curves, with their errors, and their highest points.

Every number on a page is computed by an estimator or from the measured table; no page types one, and the wording
follows the data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl
from jaxtyping import Bool, Float64

from overopt.analysis.groups import SIZES, Group
from overopt.analysis.leading import held_back, leads_on
from overopt.estimators.uncertainty import error_over_seeds

NAMES = {"bon": "best-of-n", "ppo": "PPO"}


PLAIN = {"kl_penalty": 0.0, "label_noise": 0.0, "ensemble": "single", "epochs": 1, "rounds": 1}


def plain_curves(curves: pl.DataFrame, policy_params: int, *, but: str = "") -> pl.DataFrame:
    """Best-of-n and PPO of one policy against single proxies trained once on clean pairs: no penalty, no other setting.

    The column `but`, of what a figure compares, may hold anything; all else is as above.
    """
    held = {name: value for name, value in (PLAIN | {"policy_params": policy_params}).items() if name != but}
    ours = pl.col("setting").is_null() & pl.col("method").is_in(list(NAMES)) & (pl.col("pairs") > 0)
    return curves.filter(ours, **held)


def main_pairs(plain: pl.DataFrame) -> int:
    """The number of pairs that the figures of proxy size have: that of most sizes by PPO, by all methods if there is none.

    Of equals it is the most pairs.
    """
    ppo = plain.filter(method="ppo")
    sizes = (ppo if ppo.height else plain).group_by("pairs").agg(pl.col("rm_params").n_unique())
    return int(sizes.sort("rm_params", "pairs")["pairs"][-1])


def averaged(curves: pl.DataFrame, by: Group = SIZES) -> pl.DataFrame:
    """Mean over seeds, as far as all came: `method`, the column of `by`, `place, kl, gold, gold_se, proxy, proxy_se`.

    Best-of-n is averaged at each n. PPO runs reach different KL at the same step, so they meet where each first came to a
    KL: `place` is sqrt(KL), see `advancing`. Runs with a KL penalty, which holds KL still while gold moves on, are followed
    by their steps: `place` is the step. Errors are those of `error_over_seeds`.
    """
    rows = []
    for (method, value), part in curves.group_by("method", by.column, maintain_order=True):
        parts = part.partition_by("record", maintain_order=True)
        stepwise = held_back(part)
        if method == "bon":
            runs = [run.sort("n").with_columns(place=pl.col("kl").sqrt()) for run in parts]
        elif stepwise:
            runs = [run.sort("step").with_columns(place=pl.col("step").cast(pl.Float64)) for run in parts]
        else:
            runs = [advancing(run) for run in parts]
        alike = method == "bon" or len(parts) == 1
        grid = runs[0]["place"].to_numpy() if alike else common_grid(runs)
        met = at_places(runs, "kl", grid).mean(axis=0) if stepwise else grid**2
        columns = {"place": grid, "kl": runs[0]["kl"].to_numpy() if alike else met}
        for score in ("gold", "proxy"):
            columns[score], columns[f"{score}_se"] = over_seeds(runs, score, grid)
        which = [
            pl.lit(method).alias("method"),
            pl.lit(value, dtype=curves.schema[by.column]).alias(by.column),
        ]
        rows.append(pl.DataFrame(columns).select(*which, pl.all()))
    return pl.concat(rows).sort("method", by.column, "place")


def advancing(run: pl.DataFrame) -> pl.DataFrame:
    """The points of one run that lead on (see `leads_on`), in the order of its steps; `place` is sqrt(KL)."""
    ordered = run.sort("step")
    return ordered.filter(leads_on(ordered["kl"].to_numpy())).with_columns(place=pl.col("kl").sqrt())


def common_grid(runs: Sequence[pl.DataFrame]) -> Float64[np.ndarray, " places"]:
    """Places, evenly from 0 to where the first of the runs ends, as many as any of them has points on that way."""
    end = min(run["place"][-1] for run in runs)
    return np.linspace(0, end, max(run.filter(pl.col("place") <= end).height for run in runs))


def present(
    runs: Sequence[pl.DataFrame], grid: Float64[np.ndarray, " places"]
) -> Bool[np.ndarray, "runs places"]:
    """Which runs came as far as each place."""
    ends = np.array([run["place"][-1] for run in runs])
    return np.asarray(ends[:, None] >= grid * (1 - 1e-9))


def at_places(
    runs: Sequence[pl.DataFrame], name: str, grid: Float64[np.ndarray, " places"]
) -> Float64[np.ndarray, "runs places"]:
    """A column of each run, interpolated at every place of the grid."""
    return np.array([np.interp(grid, run["place"].to_numpy(), run[name].to_numpy()) for run in runs])


def over_seeds(
    runs: Sequence[pl.DataFrame], score: str, grid: Float64[np.ndarray, " places"]
) -> tuple[Float64[np.ndarray, " places"], Float64[np.ndarray, " places"]]:
    """Mean of a score over runs at every place, and its error: see `error_over_seeds`."""
    values, errors = (at_places(runs, name, grid) for name in (score, f"{score}_se"))
    return values.mean(axis=0), error_over_seeds(values, errors)


def points(curve: pl.DataFrame, score: str = "gold") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """KL, a score and the score's error along a curve, as laws are fitted to them."""
    kl, values, errors = (curve[name].to_numpy() for name in ("kl", score, f"{score}_se"))
    return kl, values, errors


def measured_peaks(mean: pl.DataFrame, method: str, by: Group = SIZES) -> pl.DataFrame:
    """The highest measured gold of each group, and whether gold falls after it: of means, see `averaged`.

    Columns: that of `by`, `kl, gold, gold_se, end_kl, end_gold, falls`. Gold falls if its last point lies below its
    highest by more than two standard errors of their difference (taken as independent: conservative).
    """
    rows = []
    for (value,), curve in mean.filter(method=method).group_by(by.column, maintain_order=True):
        curve = curve.sort("place")
        top, end = curve.row(int(curve["gold"].arg_max() or 0), named=True), curve.row(-1, named=True)
        falls = top["gold"] - end["gold"] > 2 * math.hypot(top["gold_se"], end["gold_se"])
        rows.append((value, top["kl"], top["gold"], top["gold_se"], end["kl"], end["gold"], falls))
    names = [by.column, "kl", "gold", "gold_se", "end_kl", "end_gold", "falls"]
    return pl.DataFrame(rows, schema=names, orient="row").sort(by.column)
