"""What laws say of KL that they were not fitted to: far best-of-n, and the held-out end of curves."""

import math

import numpy as np
import polars as pl

from overopt.analysis.averages import NAMES, points
from overopt.analysis.evidence import Evidence
from overopt.analysis.fitted_laws import LAW_OF, prompt_points
from overopt.estimators.laws import LAWS, fit
from overopt.estimators.rival_forms import RIVALS, held_out_error
from overopt.estimators.uncertainty import at_least_usual, rows_drawn

SPLIT = 0.6  # share of the measured distance sqrt(KL) that forms are fitted to, where the rest is held out


def largest_kl(e: Evidence) -> float:
    """KL (nats) of best-of-n at the largest n that laws are fitted to."""
    return float(e.sizes.curves.filter(method="bon")["kl"].max())  # type: ignore[arg-type]


def near_side(kl: np.ndarray, until: float) -> np.ndarray:
    """Which points of a curve of far best-of-n its law is fitted to: those up to `until`, without the start."""
    return (kl > 0) & (kl <= until + 1e-9)


def far_error(evidence: Evidence) -> pl.DataFrame:
    """`Evidence.far`: the law fitted to the n of other curves, on the same prompts, and what it says beyond.

    Columns: `rm_params, pairs, record, n, kl, gold, gold_se, predicted, difference_se`. The standard error is of
    measured minus predicted, over prompts drawn again: both ends share their prompts.
    """
    far, rows = evidence.far, []
    if far is None:
        return pl.DataFrame()
    for (record,), curve in far.curves.group_by("record", maintain_order=True):
        curve = curve.sort("n")
        kl, by_prompt = prompt_points(far.by_prompt, str(record))
        near = near_side(kl, largest_kl(evidence))
        beyond = (kl > 0) & ~near
        se = at_least_usual(curve["gold_se"].to_numpy()[near])
        # a fit is linear in gold: the law of a mean over prompts is the mean of their laws
        laws = [fit(kl[near], gold[near], law=LAWS["bon"], gold_se=se) for gold in by_prompt.T]
        predicted = np.stack([law.predict(kl[beyond]) for law in laws], axis=1)  # [points, prompts]
        drawn = (by_prompt[beyond] - predicted)[:, rows_drawn(len(laws), draws=300)].mean(axis=2)
        error = drawn.std(axis=1) if len(laws) > 1 else np.full(len(drawn), math.nan)
        rows.append(
            curve.filter(pl.Series(beyond)).select("rm_params", "pairs", "record", "n", "kl", "gold", "gold_se")
            .with_columns(
                predicted=pl.Series(predicted.mean(axis=1)), difference_se=pl.Series(error)
            )
        )  # fmt: skip
    return pl.concat(rows)


def line_of(kl: np.ndarray) -> float:
    """KL (nats) up to which forms are fitted, where the rest of a curve is held out."""
    return float((SPLIT * math.sqrt(kl.max())) ** 2)


def ppo_error(evidence: Evidence) -> dict[int, float]:
    """For each size, the error (SDs) beyond the line of the PPO law fitted before it."""
    errors = {}
    for size in evidence.sizes.values("ppo"):
        kl, gold, se = points(evidence.sizes.of("ppo").filter(rm_params=size))
        errors[size] = held_out_error(LAW_OF["ppo"], kl, gold, se, line_of(kl))
    return {size: error for size, error in errors.items() if math.isfinite(error)}


def form_errors(evidence: Evidence) -> pl.DataFrame:
    """Error (SDs) of every law on the held-out end of every curve: `method, rm_params, form, tex, error`."""
    rows = []
    for method in NAMES:
        for size in evidence.sizes.values(method):
            kl, gold, se = points(evidence.sizes.of(method).filter(rm_params=size))
            rows += [
                {"method": method, "rm_params": size, "form": law.label, "tex": law.tex,
                 "error": held_out_error(law, kl, gold, se, line_of(kl))}
                for law in (LAWS | RIVALS).values()
            ]  # fmt: skip
    return pl.DataFrame(rows).filter(pl.col("error").is_not_nan())
