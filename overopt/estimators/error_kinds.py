"""What kind of error a proxy makes: how it orders samples, how much it tells apart, and what it likes most.

All of it is within prompts, where best-of-n and PPO choose; `proxy` and `gold` are one vector a prompt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float64
from scipy.stats import rankdata

from overopt.estimators.pair_order import lower_in_both, pairs_among
from overopt.estimators.uncertainty import standard_error
from overopt.util.errors import UserError

Vectors = Sequence[Float64[np.ndarray, "_"]]
DECILES = (*(k / 10 for k in range(10)), 0.99, 0.999, 1.0)  # and the top tail


@dataclass(frozen=True)
class Agreement:
    """How often the proxy orders two samples of a prompt as gold does, of the pairs that gold tells apart.

    auroc: ties of the proxy count half; mean over prompts, with its standard error. accuracy: ties count as wrong; over
    the pairs of all prompts. nan where gold tells no pair apart.
    """

    auroc: float
    auroc_se: float
    accuracy: float


def agreement(proxy: Vectors, gold: Vectors) -> Agreement:
    """AUROC and accuracy of the proxy for gold, within prompts.

    >>> found = agreement([np.array([1.0, 2.0, 2.0])], [np.array([0.0, 1.0, 5.0])])
    >>> round(found.auroc, 4), round(found.accuracy, 4)  # of three pairs two are right, one is a tie
    (0.8333, 0.6667)
    """
    right, tied, pairs = np.array(
        [
            (
                float(lower_in_both(p, g)[0].sum()),
                pairs_among(p) - pairs_among(p, g),
                len(p) * (len(p) - 1) // 2 - pairs_among(g),
            )
            for p, g in zip(proxy, gold, strict=True)
        ]
    ).T
    known = pairs > 0
    if not known.any():
        return Agreement(np.nan, np.nan, np.nan)
    auroc = (right + tied / 2)[known] / pairs[known]
    return Agreement(float(auroc.mean()), float(standard_error(auroc)), float(right.sum() / pairs.sum()))


@dataclass(frozen=True)
class Spread:
    """Variance of the proxy in its units squared: within prompts (mean over them), and as a share of all there is."""

    within: float
    share: float


def proxy_spread(proxy: Vectors) -> Spread:
    """How much the proxy tells the samples of a prompt apart. Razin et al. 2025: PPO learns slowly where it is little.

    Both variances are unbiased: what sampling adds to the means of prompts is taken off.

    >>> proxy_spread([np.array([1.0, 3.0]), np.array([2.0, 4.0])])
    Spread(within=2.0, share=1.0)

    Raises:
        UserError: (a ValueError) if a prompt has fewer than two samples.
    """
    if min(len(row) for row in proxy) < 2:
        raise UserError("proxy: found a prompt with a single sample, expected two or more in each")
    variances = np.array([row.var(ddof=1) for row in proxy])
    within = float(variances.mean())
    if len(proxy) < 2:
        return Spread(within, 1.0)
    of_sampling = float(np.mean([v / len(row) for v, row in zip(variances, proxy, strict=True)]))
    between = max(float(np.var([row.mean() for row in proxy], ddof=1)) - of_sampling, 0.0)
    return Spread(within, within / (within + between) if within + between > 0 else np.nan)


@dataclass(frozen=True)
class Band:
    """Mean gold of the samples whose quantile by proxy lies in [low, high), over prompts that have any there."""

    low: float
    high: float
    gold: float
    gold_se: float
    samples: int


def gold_by_quantile(proxy: Vectors, gold: Vectors, edges: Sequence[float] = DECILES) -> list[Band]:
    """E[gold | quantile of the proxy within its prompt]: where it falls again, best-of-n overoptimises.

    The i-th lowest of N samples has the quantile (i - 1/2) / N; samples that tie share the middle of their ranks. Bands
    without samples are left out, as those of the top tail are where prompts have too few.

    >>> proxy, gold = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.0, 1.0, 5.0, 3.0])
    >>> low, high = gold_by_quantile([proxy], [gold], (0.0, 0.5, 1.0))
    >>> low.gold, high.gold, high.samples
    (0.5, 4.0, 2)
    """
    means = np.full((len(edges) - 1, len(gold)), np.nan)
    counts = np.zeros(len(edges) - 1, dtype=int)
    for column, (p, g) in enumerate(zip(proxy, gold, strict=True)):
        quantile = (rankdata(p) - 0.5) / len(p)
        band = np.searchsorted(edges, quantile, side="right") - 1
        sizes = np.bincount(band, minlength=len(counts))
        there = sizes > 0
        means[there, column] = np.bincount(band, g, minlength=len(counts))[there] / sizes[there]
        counts += sizes
    found = []
    for row, (low, high) in enumerate(pairwise(edges)):
        values = means[row][~np.isnan(means[row])]
        if len(values):
            band_of = Band(low, high, float(values.mean()), float(standard_error(values)), int(counts[row]))
            found.append(band_of)
    return found
