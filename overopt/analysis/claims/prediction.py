"""Claims about what laws say of KL that they were not fitted to, and about forms that the paper rejected."""

import numpy as np
import polars as pl

from overopt.analysis import predictions
from overopt.analysis.claims.claim import claim
from overopt.analysis.claims.outcome import Interval, Outcome, Verdict, below, not_measured
from overopt.analysis.evidence import Evidence
from overopt.analysis.fitted_laws import LAW_OF
from overopt.analysis.misfits import misfit, rises
from overopt.analysis.predictions import SPLIT
from overopt.analysis.resampled import interval, over_groups
from overopt.estimators.rival_forms import RIVALS
from overopt.util.words import with_interval

SMALL, LARGE = 0.10, 0.25  # SDs: errors of a prediction


@claim(
    16,
    "Fits at small KL extrapolate.",
    rule="There are two errors, of proxies whose gold surely rises. That of best-of-n is at the largest n, beyond the n "
    f"that laws are fitted to. That of PPO is the mean beyond {SPLIT:.0%} of the distance. Holds: both intervals end below "
    f"{SMALL:.2f} SDs; partly: one does, or both end below {LARGE:.2f}; does not hold: one begins above {LARGE:.2f}.",
    figure="02_functional_forms.html#fig-far",
    far=True,
)
def extrapolates(evidence: Evidence) -> Outcome:
    """Laws fitted at small KL predict gold at large KL."""
    parts = {"best-of-n": bon_prediction(evidence), "PPO": ppo_prediction(evidence)}
    found = {name: part for name, part in parts.items() if part}
    if not found:
        return not_measured("a rise, and what comes beyond the KL that laws are fitted to")
    small = sum(high < SMALL for _, (_, high) in found.values())
    verdict: Verdict = (
        "holds"
        if small == len(found)
        else "does not hold"
        if any(low > LARGE for _, (low, _) in found.values())
        else "partly"
        if small or all(high < LARGE for _, (_, high) in found.values())
        else "cannot tell"
    )
    words = "; ".join(f"{name} {with_interval(value, *ends)}" for name, (value, ends) in found.items())
    value, ends = max(found.values())
    return Outcome(verdict, value, ends, f"Error beyond what was fitted, SDs: {words}.")


def bon_prediction(evidence: Evidence) -> tuple[float, Interval] | None:
    """Error at the largest n, mean over proxies, without sign; its interval is over prompts."""
    far = predictions.far_error(evidence)
    if far.is_empty():
        return None
    ends = far.filter(n=far["n"].max())
    sure = [size for size in ends["rm_params"] if rises(evidence.sizes.drawn("bon", size))]
    ends = ends.filter(pl.col("rm_params").is_in(sure))
    if ends.is_empty():
        return None
    error = float((ends["gold"] - ends["predicted"]).abs().mean())  # type: ignore[arg-type]
    half = 1.96 * float(ends["difference_se"].mean())  # type: ignore[arg-type]
    return error, (max(0.0, error - half), error + half)


def ppo_prediction(evidence: Evidence) -> tuple[float, Interval] | None:
    """Mean error beyond the line, and its interval over proxy sizes."""
    if not evidence.sizes.has("ppo", 1):
        return None
    errors = predictions.ppo_error(evidence)
    sure = [error for size, error in errors.items() if rises(evidence.sizes.drawn("ppo", size))]
    return over_groups(sure) if sure else None


@claim(
    17,
    "The forms that the paper rejected extrapolate worse.",
    rule=f"Squared held-out error of the RL form minus that of {RIVALS['log1p'].label}, both beyond noise, mean over sizes. "
    "Holds: the interval lies below 0; does not hold: above.",
    figure="02_functional_forms.html#fig-forms",
)
def rejected_are_worse(evidence: Evidence) -> Outcome:
    """Of the forms for RL, the paper's extrapolates best."""
    if not evidence.sizes.has("ppo", 3):
        return not_measured("PPO against three sizes or more")
    values, draws = [], []
    for size in evidence.sizes.values("ppo"):
        curve = evidence.sizes.drawn("ppo", size)
        until = predictions.line_of(curve.kl)
        own, rival = (misfit(curve, law, until=until) for law in (LAW_OF["ppo"], RIVALS["log1p"]))
        if own and rival:
            values.append(own.value - rival.value)
            draws.append(own.draws - rival.draws)
    if not values:
        return not_measured("a held-out end of PPO")
    words = f"squared held-out error of {LAW_OF['ppo'].label} minus that of {RIVALS['log1p'].label}, SDs², mean over sizes"
    return below(0, float(np.mean(values)), interval(np.mean(draws, axis=0)), words)
