"""How hard to optimise, from scores alone: best-of-n with the best n, and two softer forms of it.

    best-of-n        of n samples the one that the proxy likes best
    soft best-of-n   sample i of n with probability proportional to exp(proxy_i / tau)
    best-of-Poisson  best-of-n with a random n = 1 + Poisson(mu)

Each setting's gold is estimated for each prompt without bias, over ways to draw n of its samples. Which setting is best is
chosen on some prompts and judged on others (cross-fitting): the highest of many noisy means says too much of itself.

Khalaf et al. 2025, arXiv 2506.19248.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from overopt.estimators.best_of_n import best_of_n_ragged, powers_of_two
from overopt.estimators.selection import poisson_choice, poisson_fits, poisson_weights, soft_choice
from overopt.estimators.uncertainty import shares_drawn
from overopt.util.errors import UserError

Vectors = Sequence[Float64[np.ndarray, "_"]]
Interval = tuple[float, float]

FOLDS = 10  # parts of the prompts; each is judged by what the others chose
TEMPERATURES = (0.1, 0.2, 0.5, 1.0, 2.0)  # of soft best-of-n, in SDs of the proxy within prompts


@dataclass(frozen=True)
class Hedge:
    """The best setting of one method, and what choosing it is worth.

    n: samples a prompt, for best-of-Poisson their mean 1 + mu; tau: temperature in units of the proxy, soft best-of-n
    alone. gold: expected gold on prompts that had no part in the choice; gain: that less gold of best-of-n at the
    largest n, on the same prompts. Intervals are of 95%, by drawing prompts again; n_interval says where the choice falls.
    """

    method: str
    n: float
    tau: float | None
    gold: float
    gain: float
    n_interval: Interval
    gold_interval: Interval
    gain_interval: Interval


@dataclass(frozen=True)
class _Setting:
    n: float
    tau: float | None
    gold: Float64[np.ndarray, " prompts"]


def hedge(
    proxy: Vectors,
    gold: Vectors,
    *,
    rng: np.random.Generator,
    draws: int = 1000,
    progress: Callable[[str], object] = lambda method: None,
) -> list[Hedge]:
    """The best n of best-of-n, of soft best-of-n (with its tau) and of best-of-Poisson, by gold on held-out prompts.

    `proxy` and `gold` are one vector a prompt. n runs over the powers of two up to the fewest samples of a prompt, and
    that number, the largest n. Of equals the first, with the smallest n, is taken. `progress` is told each method.

    >>> rng = np.random.default_rng(0)
    >>> proxy = list(rng.normal(size=(40, 64)))
    >>> best = hedge(proxy, [scores - 0.5 * scores**2 for scores in proxy], rng=rng)
    >>> [found.method for found in best], best[0].n  # gold is highest at a proxy of 1: no need to draw 64
    (['best-of-n', 'soft best-of-n', 'best-of-Poisson'], 4.0)

    Raises:
        UserError: (a ValueError) if there are fewer than two prompts, or as `best_of_n_ragged`.
    """
    if len(proxy) < 2:
        raise UserError(
            f"proxy: found {len(proxy)} prompts, expected two or more: one to choose by, one to judge"
        )
    fewest = min(len(row) for row in proxy)
    ns = sorted({*powers_of_two(fewest), fewest})
    order = rng.permutation(len(proxy))
    folds = np.empty(len(proxy), dtype=int)
    folds[order] = np.arange(len(proxy)) % min(FOLDS, len(proxy))
    shares = shares_drawn(len(proxy), draws=draws, rng=rng)
    progress("best-of-n")
    plain = [
        _Setting(float(point.n), None, point.gold_by_prompt) for point in best_of_n_ragged(proxy, gold, ns)
    ]
    largest = plain[-1].gold
    found = [_chosen("best-of-n", plain, largest, folds, shares)]
    progress("soft best-of-n")
    spread = float(np.sqrt(np.mean([row.var() for row in proxy]))) or 1.0
    soft = [
        _Setting(float(n), share * spread, soft_best_of_n(proxy, gold, n, share * spread, rng=rng))
        for n in ns[1:] or ns
        for share in TEMPERATURES
    ]
    found.append(_chosen("soft best-of-n", soft, largest, folds, shares))
    progress("best-of-Poisson")
    means = [n - 1.0 for n in ns if poisson_fits(fewest, n - 1.0)]
    random = [_Setting(mu + 1.0, None, best_of_poisson(proxy, gold, mu)) for mu in means]
    found.append(_chosen("best-of-Poisson", random, largest, folds, shares))
    return found


def soft_best_of_n(
    proxy: Vectors, gold: Vectors, n: int, tau: float, *, rng: np.random.Generator
) -> Float64[np.ndarray, " prompts"]:
    """Expected gold of soft best-of-n for each prompt: one of n samples, by weights exp(proxy / tau).

    Each prompt's samples are dealt into groups of n, as often as gives 64 groups or more; unbiased, with the noise of
    the dealing.

    >>> proxy, gold = [np.array([0.0, np.log(3.0)])], [np.array([1.0, 5.0])]
    >>> soft_best_of_n(proxy, gold, n=2, tau=1.0, rng=np.random.default_rng(0)).round(6).tolist()
    [4.0]
    """
    both = zip(proxy, gold, strict=True)
    return np.array([soft_choice(scores, n, tau, rng=rng) @ values for scores, values in both])


def best_of_poisson(proxy: Vectors, gold: Vectors, mu: float) -> Float64[np.ndarray, " prompts"]:
    """Expected gold for each prompt of the best of 1 + Poisson(mu) samples, given that this is no more than there are.

    The chance that rank i of N wins is the mean of C(i-1, n-1) / C(N, n) over n.

    >>> best_of_poisson([np.array([1.0, 2.0])], [np.array([0.0, 8.0])], mu=0.0).tolist()  # any of the two
    [4.0]
    """
    by_rank = {size: poisson_weights(size, mu) for size in {len(row) for row in proxy}}
    both = zip(proxy, gold, strict=True)
    return np.array([poisson_choice(scores, by_rank[len(scores)]) @ values for scores, values in both])


def _chosen(
    method: str,
    settings: Sequence[_Setting],
    largest: Float64[np.ndarray, " prompts"],
    folds: np.ndarray,
    shares: Float64[np.ndarray, "draws prompts"],
) -> Hedge:
    """The setting that is best on all prompts; each prompt is judged by the one that is best on the other folds."""
    golds = np.stack([setting.gold for setting in settings])
    held_out = np.empty(golds.shape[1])
    for fold in np.unique(folds):
        inside = folds == fold
        held_out[inside] = golds[golds[:, ~inside].mean(axis=1).argmax(), inside]
    best = settings[int(golds.mean(axis=1).argmax())]
    ns = np.array([setting.n for setting in settings])[(shares @ golds.T).argmax(axis=1)]
    gain = held_out - largest
    return Hedge(
        method,
        best.n,
        best.tau,
        float(held_out.mean()),
        float(gain.mean()),
        _interval(ns),
        _interval(shares @ held_out),
        _interval(shares @ gain),
    )


def _interval(values: Float64[np.ndarray, " draws"]) -> Interval:
    low, high = np.quantile(values, [0.025, 0.975], method="inverted_cdf")
    return float(low), float(high)
