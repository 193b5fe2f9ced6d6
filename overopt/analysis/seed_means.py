"""What PPO's runs have in common: means over seeds of any column along the way, as far as every seed came."""

from __future__ import annotations

import numpy as np
import polars as pl

from overopt.analysis.averages import advancing, at_places, common_grid
from overopt.analysis.groups import SIZES, Group


def seed_means(ppo: pl.DataFrame, name: str, along: str, by: Group = SIZES) -> pl.DataFrame:
    """Mean over seeds of the column `name` along KL or steps: the column of `by`, `along`, `name`, in order.

    Runs meet where each first came to a KL (see `averages.advancing`), or at the same step. A group of a single run has no
    mean, nor has one with a run that lacks the column.

    Args:
        ppo: the curves table's PPO rows.
        name: the column that is averaged.
        along: kl (nats) or step.
        by: what groups differ in.

    >>> rows = [("a", 0, 0.0), ("a", 2, 4.0), ("b", 0, 0.0), ("b", 2, 8.0)]
    >>> ppo = pl.DataFrame(rows, schema=["record", "step", "kl"], orient="row").with_columns(rm_params=1)
    >>> seed_means(ppo, "kl", "step").select("step", "kl").rows()
    [(0.0, 0.0), (2.0, 6.0)]
    """
    parts = [pl.DataFrame(schema={by.column: ppo.schema[by.column], along: pl.Float64, name: pl.Float64})]
    for (value,), group in ppo.group_by(by.column, maintain_order=True):
        runs = group.partition_by("record", maintain_order=True)
        if len(runs) == 1 or group[name].null_count():
            continue
        if along == "kl":
            placed = [advancing(run) for run in runs]
        else:
            placed = [run.sort(along).with_columns(place=pl.col(along).cast(pl.Float64)) for run in runs]
        grid = common_grid(placed)
        columns = {
            along: grid**2 if along == "kl" else grid,
            name: np.mean(at_places(placed, name, grid), axis=0),
        }
        part = pl.DataFrame(columns).with_columns(pl.lit(value, dtype=ppo.schema[by.column]).alias(by.column))
        parts.append(part.select(by.column, along, name))
    return pl.concat(parts).sort(by.column, along)
