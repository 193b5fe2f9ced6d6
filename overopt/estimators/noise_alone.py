"""What best-of-n does when proxy = gold + normal noise: regressional Goodhart, and nothing else.

Gao et al. 2022, appendix A: where gold is normal too, E[gold | proxy] is a straight line of slope Var X / (Var X + Var Z),
so that gold rises as long as the proxy does. Gold that is not normal has another curve, which follows from its quantiles.
They follow from best-of-n by gold itself: that is the integral of n u^(n-1) Q(u), and each n weighs another part of Q.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float64
from scipy.optimize import nnls
from scipy.special import ndtr

from overopt.estimators.best_of_n import best_of_n_curve, powers_of_two
from overopt.util.errors import UserError
from overopt.util.seeds import derive

# shares of the bins of quantiles, evenly in normal score: tails are told as finely as the middle
_ENDS = np.concatenate([[0.0], ndtr(np.linspace(-4.0, 4.0, 55)), [1.0]])
_SHARES = np.diff(_ENDS)
_EXACT, _SMOOTH = 100.0, 0.3  # weights of what is known of quantiles, and of second differences between bins
_GRID = 200  # places of a noisy score
_LEAST_NOISE = 0.05  # SD of noise over that of the noisy score, which so many places can tell


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


def gold_quantiles(
    ns: Sequence[int], highest: Float64[np.ndarray, "ns prompts"]
) -> Float64[np.ndarray, "prompts bins"]:
    """Quantiles of gold by prompt, in bins of `_SHARES`, that give its best-of-n: rising, else as smooth as can be.

    Args:
        ns: numbers of samples, 1 first.
        highest: gold of best-of-n by gold itself; the first row is the mean of all.

    Raises:
        UserError: (a ValueError) if `ns` does not begin with 1.
    """
    if list(ns[:1]) != [1]:
        raise UserError(f"ns: found {list(ns[:1])} first, expected 1")
    bins = len(_SHARES)
    rising = np.tril(np.ones((bins, bins)))[:, 1:]  # from steps between bins to bins,
    rising -= _SHARES @ rising  # around their mean
    known = np.stack([np.diff(_ENDS**n) for n in ns]) @ rising
    smooth = np.diff(np.eye(bins), 2, axis=0) @ rising
    design = np.vstack([_EXACT * known, _SMOOTH * smooth])
    gains = np.vstack([_EXACT * (highest - highest[0]), np.zeros((len(smooth), highest.shape[1]))])
    steps = np.array([nnls(design, gain)[0] for gain in gains.T])  # [prompts, bins - 1]
    return np.asarray(highest[0][:, None] + steps @ rising.T)


def with_noise(
    ns: Sequence[int],
    quantiles: Float64[np.ndarray, "prompts bins"],
    *,
    correlation: float,
    gold_sd: float,
) -> Float64[np.ndarray, " ns"]:
    """Gold of best-of-n by gold + independent normal noise, of the variance that gives `correlation`, mean over prompts.

    Gold's own distribution is kept, whatever it is, and no noise is drawn: it is integrated over. Of normal gold it is
    `correlation` times best-of-n by gold itself.

    Args:
        ns: numbers of samples.
        quantiles: of gold by prompt: see `gold_quantiles`.
        correlation: of gold and the noisy score within prompts.
        gold_sd: SD of gold within prompts, as the correlation has it: the root of the mean variance over prompts.

    >>> ns, highest_of_normal = [1, 2, 4, 8, 16, 32], np.array([[0.0], [0.5642], [1.0294], [1.4236], [1.7660], [2.0697]])
    >>> quantiles = gold_quantiles(ns, highest_of_normal)
    >>> with_noise(ns, quantiles, correlation=0.5, gold_sd=1.0).round(1).tolist()
    [0.0, 0.3, 0.5, 0.7, 0.9, 1.0]

    Raises:
        UserError: (a ValueError) if `gold_sd` is not above 0.
    """
    if not gold_sd > 0:
        raise UserError(f"gold_sd: found {gold_sd}, expected more than 0")
    slope, noise = correlation / gold_sd, max(math.sqrt(max(1 - correlation**2, 0.0)), _LEAST_NOISE)
    return np.mean([_chosen(ns, gold, slope, noise) for gold in quantiles], axis=0)


def _chosen(
    ns: Sequence[int], quantiles: Float64[np.ndarray, " bins"], slope: float, noise: float
) -> Float64[np.ndarray, " ns"]:
    """Gold of one prompt's best of n by `slope` * gold + noise of that SD."""
    places = slope * quantiles
    grid = np.linspace(places.min() - 5 * noise, places.max() + 5 * noise, _GRID)
    below = (
        ndtr((grid[:, None] - places) / noise) * _SHARES
    )  # [grid, bins]: share of gold of a bin and a lower score
    mass = np.diff(below, axis=0)
    gold = mass @ quantiles / mass.sum(axis=1)
    # the best of n lies below where all of n do
    chances = np.diff(below.sum(axis=1) ** np.array(ns)[:, None], axis=1)  # [ns, grid]
    return np.asarray(chances @ gold / chances.sum(axis=1))
