"""What best-of-n does when proxy = gold + noise, both normal: regressional Goodhart, and nothing else.

Gao et al. 2022, appendix A: then E[gold | proxy] is a straight line of slope Var X / (Var X + Var Z), so that gold
rises as long as the proxy does.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float64

from overopt.estimators.best_of_n import best_of_n_curve, powers_of_two
from overopt.util.errors import UserError
from overopt.util.seeds import derive


@dataclass(frozen=True)
class Null:
    """Best-of-n at each n = 1, 2, 4, ...: KL in nats, scores in SDs of gold, standard errors over prompts."""

    kl: Float64[np.ndarray, " ns"]
    gold: Float64[np.ndarray, " ns"]
    gold_se: Float64[np.ndarray, " ns"]
    proxy: Float64[np.ndarray, " ns"]


@cache  # whoever judges several tables, or the same in many simulated worlds, asks for the same again
def best_of_n_of_noisy(noise_variance: float, *, prompts: int, samples: int, seed: int) -> Null:
    """Simulate gold ~ N(0, 1), proxy = gold + N(0, noise_variance), to n = half of `samples`.

    Raises:
        UserError: (a ValueError) if the variance is negative.
    """
    if noise_variance < 0:
        raise UserError(f"noise_variance: found {noise_variance}, expected 0 or more")
    rng = np.random.default_rng(derive(seed, "gaussian null", f"{noise_variance:g}"))
    gold = rng.normal(size=(prompts, samples))
    proxy = gold + np.sqrt(noise_variance) * rng.normal(size=gold.shape)
    points = best_of_n_curve(proxy, gold, powers_of_two(samples // 2))
    return Null(
        *(np.array([getattr(point, name) for point in points]) for name in ("kl", "gold", "gold_se", "proxy"))
    )
