"""How well a policy spent its KL: what the best policy needs for the same score, over what was spent.

The best policy of a score is the tilted one (`overopt.estimators.tilting`), which samples of the base policy estimate as far
as enough of them count. Beyond that nothing is said: what a run reached there, no sample of the base policy shows how to
reach for less.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from overopt.estimators.tilting import tilt
from overopt.util.checked_arrays import as_floats, as_nats
from overopt.util.errors import UserError

LEAST_ESS = 10.0  # effective samples a prompt, mean over prompts, behind a tilted policy that is believed
POINTS = 129  # temperatures between which the tilted policy is interpolated


@dataclass(frozen=True)
class Frontier:
    """The highest score at each KL: `score` (in its own units) and `kl` (nats) of tilted policies, both ascending from the
    base policy's, as far as the samples show them."""

    score: Float64[np.ndarray, " points"]
    kl: Float64[np.ndarray, " points"]

    def kl_needed(self, score: ArrayLike) -> Float64[np.ndarray, " points"]:
        """KL (nats) of the tilted policy with each mean `score`: 0 up to the base policy's, nan beyond the samples.

        Raises:
            UserError: (a ValueError) if a score is not finite.
        """
        # sqrt(KL) is about linear in the score: exactly so for normal scores
        roots = np.interp(
            as_floats("score", score, ("points",)), self.score, np.sqrt(self.kl), right=math.nan
        )
        return roots**2

    def efficiency(self, kl: ArrayLike, score: ArrayLike) -> Float64[np.ndarray, " points"]:
        """KL needed for each mean `score` over `kl` (nats) that was spent on it: 1 is the best there is.

        nan where no KL was spent, and where the tilted policy is not known. Near 0 nats it is a ratio of two small numbers,
        each with its error.

        Raises:
            UserError: (a ValueError) if a number is not finite, a KL negative, or their lengths differ.
        """
        spent, needed = as_nats("kl", kl), self.kl_needed(score)
        if len(spent) != len(needed):
            raise UserError(f"kl: found {len(spent)} points, expected as many as scores, {len(needed)}")
        return np.divide(needed, spent, out=np.full(len(spent), math.nan), where=spent > 0)


def frontier(base: ArrayLike) -> Frontier:
    """The tilted policies of scores of the base policy's samples, `base` [prompts, samples].

    It ends at the temperature where fewer than `LEAST_ESS` effective samples a prompt are left. For normal scores, whose
    needed KL is score^2 / 2, what is read there is too large by less than 5 %, whether there are 500 samples a prompt (to 3
    nats), 1,000 (to 3.8) or 4,000 (to 5).

    Raises:
        UserError: (a ValueError) if a score is not finite, no prompt's scores vary, or there are too few samples a prompt.
    """
    scores = as_floats("base", base, ("prompts", "samples"))
    spread = float(scores.std(1).mean())
    if not spread > 0:
        raise UserError("base: found the same score for all samples of every prompt, expected some spread")
    if scores.shape[1] <= LEAST_ESS:
        raise UserError(f"base: found {scores.shape[1]} samples a prompt, expected more than {LEAST_ESS:g}")

    def spare(log_inverse: float) -> float:
        """Effective samples above the least at the inverse temperature of this logarithm."""
        return tilt(scores, math.exp(-log_inverse)).ess - LEAST_ESS

    hot, cold = -math.log(1e4 * spread), -math.log(1e-2 * spread)
    end = brentq(spare, hot, cold, xtol=1e-4) if spare(hot) > 0 > spare(cold) else cold
    inverse = np.linspace(0, math.exp(end), POINTS)[1:]
    tilted = [tilt(scores, 1 / found) for found in inverse]
    means = [found.mean(scores)[0] for found in tilted]
    return Frontier(np.array([scores.mean(), *means]), np.array([0.0, *(found.kl for found in tilted)]))


def at_kl(kl: ArrayLike, value: ArrayLike, levels: Sequence[float]) -> Float64[np.ndarray, " levels"]:
    """`value` of a run where its KL (nats) first reaches each of `levels`, nan where it never does.

    `kl` and `value` are [points] in the order of steps; between two points `value` is linear in sqrt(KL). A value that is
    nan beside a level makes what is found there nan.

    Raises:
        UserError: (a ValueError) if a KL is not finite or negative, or there are not as many values.
    """
    distance, values = np.sqrt(as_nats("kl", kl)), np.asarray(value, dtype=np.float64)
    if len(values) != len(distance):
        raise UserError(f"value: found {len(values)} points, expected as many as KLs, {len(distance)}")
    found = []
    for target in np.sqrt(np.asarray(levels, dtype=np.float64)):
        reached = np.flatnonzero(distance >= target)
        after = int(reached[0]) if len(reached) else 0
        if after == 0:
            found.append(values[0] if len(reached) else math.nan)
            continue
        share = (target - distance[after - 1]) / (distance[after] - distance[after - 1])
        found.append(values[after] if share == 1 else (1 - share) * values[after - 1] + share * values[after])
    return np.array(found)
