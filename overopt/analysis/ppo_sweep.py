"""Which setting of PPO spends KL best: the rule by which a study's run is chosen, without a look at gold.

The efficiency of a setting is the mean of its KL efficiency (`overopt.estimators.kl_efficiency`) where its run first reaches
each of `LEVELS`; 0 counts where it ended before. A level that the base policy's samples are too few for in any run is left
out for all of them. The setting with the highest efficiency is the best.
"""

import numpy as np
import polars as pl

from overopt.estimators.kl_efficiency import at_kl
from overopt.study.study import ReviewsStudy, Study

LEVELS = (1.0, 2.0, 3.0, 5.0, 10.0)  # nats
SHOWN = ("proxy", "length", "ended")  # of a run where it first reaches SHOWN_AT
SHOWN_AT = 3.0  # nats


def ranking(sweep: pl.DataFrame) -> pl.DataFrame:
    """A row a setting, the best first: `setting, efficiency`, `at_1, at_2, ...` (at each level, null where it is not known),
    and at 3 nats `proxy` (SDs of its own), `length` (tokens) and `ended` (share of completions with EOS).
    """
    runs = [(str(name), run) for (name,), run in sweep.group_by("setting", maintain_order=True)]
    reached = np.array([run["kl"].to_numpy().max() >= np.array(LEVELS) for _, run in runs])
    # linear between points from a point without KL on, which has no efficiency of its own
    found = np.array([_at(run.filter(pl.col("kl") > 0), "efficiency", LEVELS) for _, run in runs])
    known = ~(reached & np.isnan(found)).any(0)
    rows = [
        {
            "setting": name,
            "efficiency": float(np.where(reached[k], found[k], 0.0)[known].mean()) if known.any() else None,
        }
        | {f"at_{level:g}": float(value) for level, value in zip(LEVELS, found[k], strict=True)}
        | {column: float(_at(run, column, [SHOWN_AT])[0]) for column in SHOWN}
        for k, (name, run) in enumerate(runs)
    ]
    return (
        pl.DataFrame(rows)
        .fill_nan(None)
        .sort("efficiency", descending=True, nulls_last=True, maintain_order=True)
    )


def chosen(study: Study) -> str | None:
    """The setting that the runs of `study` have; None where it has no sweep."""
    if not isinstance(study, ReviewsStudy) or not study.ppo_sweep:
        return None
    return study.ppo_sweep.setting_of(study.ppo.run)


def _at(run: pl.DataFrame, column: str, levels: tuple[float, ...] | list[float]) -> np.ndarray:
    if run.is_empty():
        return np.full(len(levels), np.nan)
    run = run.sort("step")
    return at_kl(run["kl"], run[column].cast(pl.Float64).fill_null(np.nan), levels)
