"""Claims about the coefficients of the laws, and how they follow the proxy's size."""

import math

import numpy as np

from overopt.analysis.averages import NAMES
from overopt.analysis.claims.claim import claim
from overopt.analysis.claims.outcome import JOINTLY, Outcome, above, around_zero, below, jointly, not_measured
from overopt.analysis.evidence import Evidence
from overopt.analysis.resampled import slope_by_size
from overopt.util.words import with_interval

FLAT = 0.25  # change of alpha over all sizes, as a share of its mean, that counts as none


def trend(evidence: Evidence, method: str, coefficient: str) -> tuple[float, tuple[float, float]] | None:
    """Slope of a coefficient against log10 of the proxy's parameters, over the sizes whose law could be fitted."""
    laws = {
        size: law
        for (name, size), law in evidence.sizes.fits.items()
        if name == method and len(law.coefficients) > 100
    }
    if len(laws) < 3:
        return None
    column = ("alpha", "beta").index(coefficient)
    count = min(len(law.coefficients) for law in laws.values())
    draws = np.stack([law.coefficients[:count, column] for law in laws.values()], 1)
    return slope_by_size(list(laws), [getattr(law.fit, coefficient) for law in laws.values()], draws)


@claim(
    5,
    "With the proxy's size α of best-of-n rises and both β fall, about linearly in log size.",
    rule="There are three parts: the slopes of α of best-of-n, of its β, and of PPO's β, against the logarithm of size. A "
    f"part holds if its interval lies on the claimed side of 0. {JOINTLY}",
    figure="02_functional_forms.html#fig-bon-coefficients",
)
def coefficients_follow_size(evidence: Evidence) -> Outcome:
    """Alpha of best-of-n rises with size, both betas fall."""
    parts, words = [], []
    for method, name, side in (("bon", "alpha", above), ("bon", "beta", below), ("ppo", "beta", below)):
        slope = trend(evidence, method, name)
        if slope is None:
            return not_measured("laws of three sizes or more")
        value, ends = slope
        parts.append(side(0, value, ends))
        letter = {"alpha": "α", "beta": "β"}[name]
        words.append(f"{letter} of {NAMES[method]} {with_interval(value, *ends)}")
    first = parts[0]
    return Outcome(
        jointly(parts),
        first.statistic,
        first.interval,
        "Change per factor of ten in size: " + "; ".join(words) + ".",
    )


@claim(
    6,
    "α of RL does not depend on the proxy's size.",
    rule="A line in log size gives the change of α from the smallest to the largest size, as a share of α's mean. Holds: "
    f"the interval lies within ±{FLAT:.0%}; does not hold: it lies outside.",
    figure="02_functional_forms.html#fig-ppo-coefficients",
)
def alpha_is_shared(evidence: Evidence) -> Outcome:
    """Alpha of PPO does not depend on size."""
    slope = trend(evidence, "ppo", "alpha")
    if slope is None:
        return not_measured("PPO laws of three sizes or more")
    laws = {size: law for (name, size), law in evidence.sizes.fits.items() if name == "ppo"}
    mean = float(np.mean([law.fit.alpha for law in laws.values()]))
    scale = math.log10(max(laws) / min(laws)) / abs(mean)
    value, (low, high) = slope
    words = "change of α from the smallest to the largest size, as a share of its mean"
    return around_zero(FLAT, value * scale, (low * scale, high * scale), words)
