"""The best that a policy could do at a given KL: the base policy's samples, reweighted by exp(score / temperature).

Among all policies with the same KL from the base policy, pi(y|x) proportional to pi0(y|x) exp(s(x, y) / T), with one
temperature T for all prompts, has the highest expected score s (the solution of max E[s] - T KL; Rafailov et al.
2023, eq. 4). Samples of the base policy estimate it by importance weights, as long as enough of them count: the
effective sample size says how many do.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import logsumexp

from overopt.estimators.uncertainty import standard_error
from overopt.util.checked_arrays import as_floats
from overopt.util.errors import UserError


@dataclass(frozen=True)
class Tilted:
    """Weights of one temperature, each prompt's adding up to 1, and what they imply.

    kl: nats, mean over prompts; ess: effective samples a prompt, 1 / sum of squared weights, mean over prompts.
    """

    temperature: float
    weights: Float64[np.ndarray, "prompts samples"]
    kl_by_prompt: Float64[np.ndarray, " prompts"]
    ess: float

    @property
    def kl(self) -> float:
        """KL of the tilted policy from the base policy, nats."""
        return float(self.kl_by_prompt.mean())

    def mean(self, values: Float64[np.ndarray, "prompts samples"]) -> tuple[float, float]:
        """Expected value under the tilted policy, and its standard error over prompts, nan with a single one."""
        by_prompt = (self.weights * values).sum(1)
        return float(by_prompt.mean()), float(standard_error(by_prompt))


def tilt(score: ArrayLike, temperature: float) -> Tilted:
    """Reweight samples by exp(score / temperature).

    `score` is [prompts, samples], `temperature` in its units. KL is sum_i w_i ln(N w_i), which overstates by about
    1 / (2 ess) nats. Rafailov et al. 2023, eq. 4.

    >>> tilted = tilt([[0.0, math.log(3.0)]], temperature=1.0)
    >>> tilted.weights.round(6).tolist(), round(tilted.kl, 4), round(tilted.ess, 4)
    ([[0.25, 0.75]], 0.1308, 1.6)
    >>> mean, error = tilted.mean(np.array([[1.0, 5.0]]))
    >>> round(mean, 6)  # of what the first and the second sample are worth
    4.0

    Raises:
        UserError: (a ValueError) if a score is not finite or the temperature not positive.
    """
    scores = as_floats("score", score, ("prompts", "samples"))
    if not temperature > 0:
        raise UserError(f"temperature: found {temperature}, expected a positive number")
    log_weights = scores / temperature
    log_weights = log_weights - logsumexp(log_weights, axis=1, keepdims=True)
    weights = np.exp(log_weights)
    kl = (weights * (log_weights + math.log(scores.shape[1]))).sum(1)
    return Tilted(temperature, weights, kl, float((1 / (weights**2).sum(1)).mean()))


def tilts_at(score: ArrayLike, kls: Sequence[float]) -> list[Tilted]:
    """The tilted policies whose KL (nats) is each of `kls`; what no temperature reaches is left out.

    N samples know no KL above ln N, and less where several share the highest score.

    Raises:
        UserError: (a ValueError) as `tilt`.
    """
    scores = as_floats("score", score, ("prompts", "samples"))
    spread = float(scores.std(1).mean())
    if not spread > 0:
        return []
    hot, cold = math.log(1e4 * spread), math.log(1e-4 * spread)  # logarithms of temperatures
    most = tilt(scores, math.exp(cold)).kl
    found = []
    for kl in kls:
        if 0 < kl < most:
            root = brentq(lambda log_t, kl=kl: tilt(scores, math.exp(log_t)).kl - kl, cold, hot, xtol=1e-6)
            found.append(tilt(scores, math.exp(root)))
    return found
