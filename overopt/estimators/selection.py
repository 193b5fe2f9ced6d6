"""Softer forms of best-of-n: how likely each sample is to be chosen, and how far the choice is from the base policy.

    soft best-of-n   sample i of n with probability proportional to exp(proxy_i / tau)
    best-of-Poisson  best-of-n with a random n = 1 + Poisson(mu)

A choice by proxy alone has the density f(proxy) over the base policy's, so that its KL from it is E[f ln f] over the base
policy's samples. For best-of-Poisson f is known: (1 + mu u) exp(-mu (1 - u)) at the quantile u of the proxy, where no two
samples tie. For soft best-of-n it depends on all scores s of a prompt,

    f(s) = n E[exp(s / tau) / (exp(s / tau) + sum of n - 1 others' exp(s' / tau))]
         = n integral of exp(y - exp(y)) M(y - s / tau)^(n-1) dy,  M(x) = E[exp(-exp(x + s' / tau))]

by 1 / z = integral of exp(-z t) dt and t = exp(y): what the others do is a power, and no draws are needed.

Khalaf et al. 2025, arXiv 2506.19248.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64
from scipy.integrate import quad
from scipy.special import gammaln, xlogy
from scipy.stats import poisson

from overopt.util.errors import UserError

MISSED = 1e-3  # chance of more draws than samples at which a Poisson is too long to be judged
GROUPS = 64  # draws of n samples that a prompt is split into at the least
STEP = 0.4  # of y: the integrand is analytic, and the sum off by 2 |Gamma(1 + 2 pi i / STEP)| = 4e-10 of it
LOWEST, HIGHEST = -36.0, 4.0  # of y: below, exp(y) is 2e-16, and above, exp(-exp(y)) is less
COLUMNS = 256  # values of x at once: what memory grows with


def soft_choice(
    proxy: Float64[np.ndarray, " samples"], n: int, tau: float, *, rng: np.random.Generator
) -> Float64[np.ndarray, " samples"]:
    """The chance of each sample to be chosen by soft best-of-n, over draws of n of them; the chances add up to 1.

    The samples are dealt into groups of n, as often as gives 64 groups or more: unbiased, with the noise of the dealing.

    >>> soft_choice(np.array([0.0, np.log(3.0)]), n=2, tau=1.0, rng=np.random.default_rng(0)).round(6).tolist()
    [0.25, 0.75]
    """
    groups = len(proxy) // n
    deals = -(-GROUPS // groups) if n < len(proxy) else 1
    dealt = np.argsort(rng.random((deals, len(proxy))), axis=1)[:, : groups * n].reshape(-1, n)
    scores = proxy[dealt] / tau
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return np.bincount(dealt.ravel(), weights.ravel(), minlength=len(proxy)) / len(dealt)


def poisson_choice(
    proxy: Float64[np.ndarray, " samples"], by_rank: Float64[np.ndarray, " samples"]
) -> Float64[np.ndarray, " samples"]:
    """The chance of each sample to be chosen by best-of-Poisson; `by_rank` is what `poisson_weights` says of so many.

    Samples with equal proxy scores share their chances equally.

    >>> poisson_choice(np.array([2.0, 1.0, 2.0]), np.array([0.2, 0.3, 0.5])).tolist()
    [0.4, 0.2, 0.4]
    """
    order = np.argsort(proxy, kind="stable")
    _, tie, sizes = np.unique(proxy, return_inverse=True, return_counts=True)
    return (np.bincount(tie[order], by_rank) / sizes)[tie]


def poisson_fits(samples: int, mu: float) -> bool:
    """Whether 1 + Poisson(mu) is hardly ever more than so many samples.

    >>> [poisson_fits(80, mu) for mu in (31.0, 63.0)]
    [True, False]
    """
    return bool(poisson.sf(samples - 1, mu) < MISSED)


def poisson_weights(samples: int, mu: float) -> Float64[np.ndarray, " ranks"]:
    """The chance of each rank of `samples`, lowest first, to be the best of 1 + Poisson(mu), given that this is no more.

    Rank i of N wins with the mean of C(i-1, n-1) / C(N, n) over n; n that come with a chance below 1e-12 of the likeliest
    are left out.

    >>> poisson_weights(4, mu=0.0).tolist()  # any of the four
    [0.25, 0.25, 0.25, 0.25]
    """
    chances = poisson.pmf(np.arange(samples), mu)  # of n - 1
    ns = np.flatnonzero(chances > 1e-12 * chances.max()) + 1
    log_factorials = gammaln(np.arange(1, samples + 2, dtype=np.float64))  # of 0 ... N
    weights = np.zeros(samples)
    for n in ns:
        below = log_factorials[n - 1 : samples] - log_factorials[: samples - n + 1]
        wins = np.exp(below - below[-1])
        weights[n - 1 :] += chances[n - 1] * wins / wins.sum()
    return weights / weights.sum()


def best_of_poisson_kl(mu: float) -> float:
    """KL(best of 1 + Poisson(mu) || base policy) in nats, exact where no two samples tie; an upper bound otherwise.

    The integral of f ln f over the quantiles, by t = mu (1 - u): quadrature, to 1e-9.

    >>> [round(best_of_poisson_kl(mu), 4) for mu in (0.0, 3.0, 63.0)]  # best of 4 is 0.6363, of 64 3.1745
    [0.0, 0.6045, 3.1589]

    Raises:
        UserError: (a ValueError) if mu is negative or not finite.
    """
    if not 0 <= mu < math.inf:
        raise UserError(f"mu: found {mu}, expected a finite number of at least 0")
    if mu == 0:
        return 0.0

    def density(t: float) -> float:
        ratio = 1 + mu - t
        return ratio * math.exp(-t) * (math.log(ratio) - t) / mu

    # beyond t = 60 what is left is below 1e-24
    return max(0.0, float(quad(density, 0.0, min(mu, 60.0), epsabs=1e-12, limit=200)[0]))


def soft_ratio(
    proxy: Float64[np.ndarray, " samples"], ns: Sequence[int], tau: float
) -> Float64[np.ndarray, "ns samples"]:
    """f, the density of soft best-of-n over the base policy's, at each sample, where a prompt's samples are all there are.

    Draws are with replacement. The mean of f over the samples is 1.

    >>> ratio = soft_ratio(np.array([0.0, np.log(3.0)]), [1, 2], tau=1.0)
    >>> ratio.round(6).tolist()  # of two draws, both are the first with 1/4, both the second with 1/4, else 1 : 3
    [[1.0, 1.0], [0.75, 1.25]]
    """
    scaled = (proxy - proxy.max()) / tau
    low, high = LOWEST - math.log(max(ns)), HIGHEST - scaled.min()
    grid = np.arange(low, high, STEP)
    found = np.zeros((len(ns), len(proxy)))
    for start in range(0, len(grid), COLUMNS):
        y = grid[start : start + COLUMNS] + scaled[:, None]  # [samples, columns]
        with np.errstate(over="ignore", under="ignore"):  # exp(-exp(y)) is 0 there
            rate = np.exp(y)
            others = np.exp(-rate)
            kernel = np.exp(y - rate)
        mean = others.mean(axis=0)
        powers = np.stack([n * mean ** (n - 1) for n in ns])  # [ns, columns]
        found += STEP * powers @ kernel.T
    found[np.array(ns) == 1] = 1.0  # there is nothing to choose from
    return found


def soft_best_of_n_kl(
    proxy: Float64[np.ndarray, "prompts samples"], ns: Sequence[int], tau: float
) -> tuple[Float64[np.ndarray, "ns prompts"], Float64[np.ndarray, "ns prompts"]]:
    """KL(soft best-of-n || base policy) in nats of each prompt, for every n; and the bias that was taken off it.

    What E[f ln f] over N samples is too high by falls as 1 / N: half of the samples, the even and the odd ones, say how much
    it is, which is what is taken off (the jackknife of Quenouille 1956). Keep N well above n: at n = N / 4 the estimate is
    within some 0.02 nats of 3, at n = N within 0.2. Texts that the proxy scores alike are chosen alike, so that ties change
    nothing: where many tie, this is less than the formula of best-of-n even as tau goes to 0 (`BestOfN.kl_exact` is what it
    comes to there), since that formula counts a text as often as it was drawn.

    >>> proxy = np.random.default_rng(0).normal(size=(50, 512))
    >>> kl, bias = soft_best_of_n_kl(proxy, [4], tau=0.01)  # nearly best-of-n, with ln 4 - 3 / 4 = 0.6363
    >>> round(kl.mean(), 3), round(bias.mean(), 3)
    (0.636, -0.001)
    """
    kl, bias = np.empty((2, len(ns), len(proxy)))
    for k, scores in enumerate(proxy):
        whole = _plugged_in(scores, ns, tau)
        halves = [_plugged_in(half, ns, tau) for half in (scores[::2], scores[1::2]) if len(half)]
        bias[:, k] = np.mean(halves, axis=0) - whole
        kl[:, k] = np.maximum(whole - bias[:, k], 0.0)
    return kl, bias


def _plugged_in(
    scores: Float64[np.ndarray, " samples"], ns: Sequence[int], tau: float
) -> Float64[np.ndarray, " ns"]:
    """KL of soft best-of-n of these samples from drawing one of them, nats."""
    ratio = soft_ratio(scores, ns, tau)
    return np.asarray(xlogy(ratio, ratio).mean(axis=1))
