"""How much of gold's fall is its rule on repetition: texts of PPO as gold judges them with the rule and without it."""

import numpy as np
import polars as pl

from overopt.analysis.resampled import over_groups

FROM = (0.0, 2.0, 5.0, 10.0, 20.0)  # KL (nats) at which each band begins; the last has no end


def by_kl(judged: pl.DataFrame, curves: pl.DataFrame) -> pl.DataFrame:
    """Texts of the PPO runs in `curves`, a row a band of KL; means over texts, gold in base-policy SDs.

    Args:
        judged: `record, step, kl, gold, repeats, unruled`, a row a recorded text: see `overopt.stages.unruled`.
        curves: the curves table's rows of the runs that are wanted.

    Returns:
        `low, high` (nats; `high` is null for the last band), `texts, runs`, `repeats` (a share), `gold`, `others` (gold of
        those that do not repeat themselves) and `unruled`.
    """
    texts = _of_runs(judged, curves)
    if texts.is_empty():
        return pl.DataFrame()
    means = texts.group_by("band").agg(
        texts=pl.len(),
        runs=pl.col("record").n_unique(),
        repeats=pl.col("repeats").mean(),
        gold=pl.col("gold").mean(),
        others=pl.col("gold").filter(~pl.col("repeats")).mean(),
        unruled=pl.col("unruled").mean(),
    )
    ends = pl.DataFrame({"band": range(len(FROM)), "low": FROM, "high": [*FROM[1:], None]})
    return ends.join(means, on="band", maintain_order="left").drop("band")


def furthest(judged: pl.DataFrame, curves: pl.DataFrame) -> tuple[float, tuple[float, float]] | None:
    """Gold without the rule in the last band, mean over runs of a run's mean, with its interval; None where no run is there.

    Args and units are those of `by_kl`.
    """
    last = _of_runs(judged, curves).filter(pl.col("kl") >= FROM[-1])
    if last.is_empty():
        return None
    return over_groups(last.group_by("record", maintain_order=True).agg(pl.col("unruled").mean())["unruled"])


def _of_runs(judged: pl.DataFrame, curves: pl.DataFrame) -> pl.DataFrame:
    texts = judged.join(curves.filter(method="ppo").select("record").unique(), on="record", how="semi")
    return texts.with_columns(band=pl.Series(np.searchsorted(FROM, texts["kl"].to_numpy(), side="right") - 1))
