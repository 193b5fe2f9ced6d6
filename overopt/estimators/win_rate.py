"""How often gold prefers the best of n to a sample of the base policy, and how often it could at most."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.special import gammaln
from scipy.stats import rankdata

from overopt.estimators.pair_order import lower_in_both
from overopt.estimators.uncertainty import standard_error
from overopt.util.errors import UserError


@dataclass(frozen=True)
class WinRate:
    """At one n: rate, mean over prompts, with its standard error; bound: n / (n + 1), of a proxy that is gold itself."""

    n: int
    rate: float
    rate_se: float
    bound: float


def win_rates(
    proxy: Sequence[Float64[np.ndarray, "_"]], gold: Sequence[Float64[np.ndarray, "_"]], ns: Sequence[int]
) -> list[WinRate]:
    """Chance that the best of n by proxy has more gold than one more sample, ties half; unbiased, for every n.

    Mean over all ways to draw n samples and one besides them, samples that tie by proxy in any order. Where gold has
    no ties no proxy wins more often than n / (n + 1), the chance that the best of n + 1 samples is among n of them.

    >>> scores = [np.array([1.0, 2.0, 3.0, 4.0, 5.0])]
    >>> [(point.n, round(point.rate, 6)) for point in win_rates(scores, scores, [1, 3])]
    [(1, 0.5), (3, 0.75)]

    Raises:
        UserError: (a ValueError) if n is below 1, or no sample is left beside n.
    """
    fewest = min(len(row) for row in proxy)
    for n in ns:
        if not 1 <= n < fewest:
            raise UserError(f"n: found {n}, expected 1 to {fewest - 1}, one less than the samples per prompt")
    rates = np.array([_of_prompt(p, g, ns) for p, g in zip(proxy, gold, strict=True)])  # [prompts, ns]
    return [
        WinRate(n, float(of_n.mean()), float(standard_error(of_n)), n / (n + 1))
        for n, of_n in zip(ns, rates.T, strict=True)
    ]


def _of_prompt(
    proxy: Float64[np.ndarray, " samples"], gold: Float64[np.ndarray, " samples"], ns: Sequence[int]
) -> list[float]:
    """The winner at rank i beats those above it, none of which was drawn, and of those below it the share not drawn."""
    samples = len(proxy)
    less, same = lower_in_both(proxy, gold)
    below = less + same / 2  # points against samples of lower proxy
    all_points = rankdata(gold) - 1  # against all others
    _, tie, sizes = np.unique(proxy, return_inverse=True, return_counts=True)
    mean_below, mean_all = (np.bincount(tie, points) / sizes for points in (below, all_points))
    mean_above = mean_all - mean_below - (sizes - 1) / 2  # among equals a pair gives a point, half for each
    ranks = np.arange(1, samples + 1)
    within = ranks - np.repeat(np.cumsum(sizes) - sizes, sizes) - 1  # equals that stand below
    below = np.repeat(mean_below, sizes) + within / 2
    above = np.repeat(mean_above, sizes) + (np.repeat(sizes, sizes) - 1 - within) / 2
    found = []
    for n in ns:
        rank = ranks[n - 1 :]
        log_weights = gammaln(rank) - gammaln(rank - n + 1)
        weights = np.exp(log_weights - log_weights[-1])
        left = np.divide(rank - n, rank - 1, out=np.zeros(len(rank)), where=rank > 1)
        points = above[n - 1 :] + left * below[n - 1 :]
        found.append(float(weights @ points / weights.sum()) / (samples - n))
    return found
