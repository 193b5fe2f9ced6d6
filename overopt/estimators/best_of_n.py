"""Best-of-n: draw n samples for a prompt, keep the one the proxy likes best.

Both scores of the kept sample are estimated from N >= n samples a prompt by averaging over *all*
C(N, n) ways of drawing n of them, which no other unbiased estimator from these samples beats. With the
samples of a prompt sorted by proxy, the sample at rank i (1 the lowest) wins in C(i-1, n-1) of the subsets:

    R_n = sum_{i=n..N} C(i-1, n-1) / C(N, n) * gold_(i)

Samples with equal proxy scores are interchangeable to the proxy, so they share their weights equally:
what a best-of-n that breaks ties at random gains in expectation. They also make its KL from the base policy smaller.

Gao et al. 2022, section 2; Nakano et al. 2021, appendix I.
"""

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import SupportsFloat

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import ArrayLike
from scipy.special import gammaln

from overopt.estimators.fast_argsort import ascending
from overopt.estimators.tied_kl import lost_to_ties
from overopt.estimators.uncertainty import standard_error
from overopt.util.checked_arrays import as_floats
from overopt.util.errors import UserError

AT_ONCE = 2**22  # samples, or weights over ranks, that are worked on at once: what memory grows with


@dataclass(frozen=True)
class BestOfN:
    """Best-of-n at one n: means over prompts, in the units of the scores that came in.

    `gold_se` and `proxy_se` are standard errors over prompts: the standard deviation of the per-prompt
    values (ddof = 1) over the square root of the number of prompts, nan with a single prompt. They hold the
    sampling noise within prompts too. `kl` is in nats, log n - (n - 1)/n: exact without ties, an upper
    bound otherwise. `kl_exact` is the KL given the ties among the samples, mean over prompts
    (`overopt.estimators.tied_kl`): the same without ties. A sample that ties with none counts as one of a continuous
    stretch of scores, so that a value which would have been seen again among more samples is still counted too high.
    """

    n: int
    kl: float
    kl_exact: float
    gold: float
    proxy: float
    gold_se: float
    proxy_se: float
    gold_by_prompt: Float64[np.ndarray, " prompts"] = field(repr=False, compare=False)
    proxy_by_prompt: Float64[np.ndarray, " prompts"] = field(repr=False, compare=False)


def best_of_n_kl(n: SupportsFloat) -> float:
    """KL(best-of-n || base policy) in nats: log n - (n - 1)/n. Gao et al. 2022, section 2.

    >>> [round(best_of_n_kl(n), 2) for n in (1, 4, 1000)]
    [0.0, 0.64, 5.91]

    Raises:
        UserError: (a ValueError) if n is not a whole number of at least 1.
    """
    count = _whole(n)
    return math.log(count) - (count - 1) / count


def best_of_n(proxy: ArrayLike, gold: ArrayLike, n: SupportsFloat) -> BestOfN:
    """Expected gold and proxy score of the best of `n` samples by proxy, unbiased over subsets.

    `proxy` and `gold` are arrays [prompts, samples] of scores of the same samples, in any units. At n equal
    to the number of samples the estimate is one draw a prompt: keep the samples well above n.
    Gao et al. 2022, section 2; Nakano et al. 2021, appendix I.

    >>> proxy, gold = [[1.0, 2.0, 4.0], [2.0, 1.0, 0.0]], [[3.0, 5.0, 8.0], [6.0, 6.0, 6.0]]
    >>> point = best_of_n(proxy, gold, 2)  # of the first prompt's pairs, one wins with 5, two with 8
    >>> point.gold_by_prompt.round(6).tolist(), round(point.gold, 6), round(point.gold_se, 6)
    ([7.0, 6.0], 6.5, 0.5)

    Raises:
        UserError: (a ValueError) if n is not a whole number in 1..samples, the shapes differ, or a score is
            not finite.
    """
    return best_of_n_curve(proxy, gold, [n])[0]


def best_of_n_curve(proxy: ArrayLike, gold: ArrayLike, ns: Iterable[SupportsFloat]) -> list[BestOfN]:
    """`best_of_n` at every n of `ns`, in their order; the samples [prompts, samples] are sorted once.

    >>> curve = best_of_n_curve([[1.0, 2.0, 3.0, 4.0]], [[1.0, 2.0, 3.0, 4.0]], [1, 2, 4])
    >>> [(point.n, round(point.gold, 6)) for point in curve]
    [(1, 2.5), (2, 3.333333), (4, 4.0)]

    Raises:
        UserError: as `best_of_n`.
    """
    proxies = as_floats("proxy", proxy, ("prompts", "samples"))
    golds = as_floats("gold", gold, ("prompts", "samples"))
    if proxies.shape != golds.shape:
        raise UserError(f"gold: found shape {golds.shape}, expected the shape of proxy, {proxies.shape}")
    counts = _counts(ns, proxies.shape[1])
    return summaries(counts, *_values_by_prompt(proxies, golds, counts))


def best_of_n_ragged(
    proxy: Sequence[ArrayLike],
    gold: Sequence[ArrayLike],
    ns: Iterable[SupportsFloat],
    progress: Callable[[int], object] = lambda prompts: None,
) -> list[BestOfN]:
    """`best_of_n_curve` for prompts that differ in their number of samples: one vector a prompt.

    Every prompt counts the same, and n goes up to the smallest number of samples over the prompts, so that
    each point of the curve is a mean over the same prompts. `progress` is told how many more prompts are done.

    Raises:
        UserError: as `best_of_n`.
    """
    proxies = [as_floats(f"proxy of prompt {i}", row, ("samples",)) for i, row in enumerate(proxy)]
    golds = [as_floats(f"gold of prompt {i}", row, ("samples",)) for i, row in enumerate(gold)]
    sizes = np.array([len(row) for row in proxies], dtype=np.int64)
    if not sizes.size or [len(row) for row in golds] != sizes.tolist():
        raise UserError(
            "gold: found other numbers of samples than proxy has, expected the same in each prompt"
        )
    counts = _counts(ns, int(sizes.min()))
    golds_of, proxies_of, kls_of = (np.empty((len(counts), len(sizes))) for _ in range(3))
    for size in np.unique(sizes):  # prompts of one size make a rectangle
        of_size = np.flatnonzero(sizes == size)
        for rows in np.split(of_size, range(AT_ONCE // size or 1, len(of_size), AT_ONCE // size or 1)):
            golds_of[:, rows], proxies_of[:, rows], kls_of[:, rows] = _values_by_prompt(
                np.stack([proxies[row] for row in rows]), np.stack([golds[row] for row in rows]), counts
            )
            progress(len(rows))
    return summaries(counts, golds_of, proxies_of, kls_of)


def summaries(
    ns: Sequence[int],
    gold: Float64[np.ndarray, "ns prompts"],
    proxy: Float64[np.ndarray, "ns prompts"],
    kl: Float64[np.ndarray, "ns prompts"] | None = None,
) -> list[BestOfN]:
    """Each n with its means and standard errors over prompts; `kl`: nats given ties, where those are known."""
    return [
        BestOfN(
            n=n,
            kl=best_of_n_kl(n),
            kl_exact=best_of_n_kl(n) if kl is None else _mean_kl(kl[row], n),
            gold=float(gold[row].mean()),
            proxy=float(proxy[row].mean()),
            gold_se=float(standard_error(gold[row])),
            proxy_se=float(standard_error(proxy[row])),
            gold_by_prompt=gold[row],
            proxy_by_prompt=proxy[row],
        )
        for row, n in enumerate(ns)
    ]


def powers_of_two(largest: int) -> list[int]:
    """1, 2, 4, ... up to `largest`: the ns of a curve, about even in sqrt(KL)."""
    return [2**k for k in range(largest.bit_length())]


def _values_by_prompt(
    proxy: Float64[np.ndarray, "prompts samples"],
    gold: Float64[np.ndarray, "prompts samples"],
    ns: Sequence[int],
) -> tuple[
    Float64[np.ndarray, "ns prompts"], Float64[np.ndarray, "ns prompts"], Float64[np.ndarray, "ns prompts"]
]:
    """Gold and proxy of the best of n, and its KL from the base policy (nats), for every n and prompt."""
    by_rank = np.empty((2, *proxy.shape))  # proxy and gold, the samples of each prompt from low to high proxy
    for row, scores in enumerate(proxy):
        order = ascending(scores)
        by_rank[:, row] = scores[order], gold[row][order]
    proxy, gold = by_rank
    # Sharing the weights within a tie is the same as sharing the gold: sum_i mean(w) g_i = sum_i w_i mean(g).
    # The second keeps one weight vector for all prompts. The proxy is constant within a tie anyway.
    starts, sizes = _ties(proxy)
    _share_within_ties(gold, starts, sizes)
    golds, proxies = np.empty((len(ns), len(gold))), np.empty((len(ns), len(gold)))
    together = min(32, AT_ONCE // gold.shape[1] or 1)
    for start in range(0, len(ns), together):
        part = slice(start, start + together)
        weights = _rank_weights(ns[part], gold.shape[1])
        golds[part], proxies[part] = (gold @ weights).T, (proxy @ weights).T
    return golds, proxies, _kls(starts, sizes, gold.shape, ns)


def _kls(
    starts: Int64[np.ndarray, " ties"],
    sizes: Int64[np.ndarray, " ties"],
    shape: tuple[int, ...],
    ns: Sequence[int],
) -> Float64[np.ndarray, "ns prompts"]:
    """KL of the best of n (nats) for every n and prompt: the formula's, less what ties take off."""
    prompts, samples = shape
    lost = lost_to_ties(starts, sizes, samples, prompts, ns)
    return np.maximum(np.array([[best_of_n_kl(n)] for n in ns]) - lost, 0.0)


def _mean_kl(kl: Float64[np.ndarray, " prompts"], n: int) -> float:
    """Mean over prompts; without ties the formula's to the last bit, which a mean of many need not be."""
    return best_of_n_kl(n) if (kl == best_of_n_kl(n)).all() else float(kl.mean())


def _rank_weights(ns: Sequence[int], samples: int) -> Float64[np.ndarray, "ranks ns"]:
    """C(i-1, n-1)/C(N, n), the chance that rank i is the best of n, of all ranks i = 1..N; 0 below n."""
    log_factorials = gammaln(np.arange(1, samples + 1, dtype=np.float64))  # of 0 ... N - 1
    weights = np.zeros((samples, len(ns)))
    for column, n in enumerate(ns):
        # log C(i-1, n-1), up to a constant
        log_weights = log_factorials[n - 1 :] - log_factorials[: samples - n + 1]
        # The top rank is the likeliest winner: against it nothing overflows.
        chances = np.exp(log_weights - log_weights[-1])
        # sum_i C(i-1, n-1) = C(N, n), so that the sum is the denominator
        weights[n - 1 :, column] = chances / chances.sum()
    return weights


def _ties(
    proxy: Float64[np.ndarray, "prompts samples"],
) -> tuple[Int64[np.ndarray, " ties"], Int64[np.ndarray, " ties"]]:
    """Where samples of one prompt have the same (sorted) proxy: the place of the first among all, and how many tie."""
    same = np.zeros(proxy.shape, dtype=bool)  # as the sample before
    same[:, 1:] = proxy[:, 1:] == proxy[:, :-1]
    later = np.flatnonzero(same)
    begins = np.diff(later, prepend=-2) > 1
    sizes = np.diff(np.flatnonzero(begins), append=len(later)) + 1
    return later[begins] - 1, sizes


def _share_within_ties(
    gold: Float64[np.ndarray, "prompts samples"],
    starts: Int64[np.ndarray, " ties"],
    sizes: Int64[np.ndarray, " ties"],
) -> None:
    """Put in the place of each gold score the mean over the samples that tie with it."""
    if not len(starts):
        return
    ends = np.cumsum(sizes)
    # where all that tie stand, tie after tie
    tied = np.arange(ends[-1]) + np.repeat(starts - ends + sizes, sizes)
    scores = gold.reshape(-1)
    scores[tied] = np.repeat(np.add.reduceat(scores[tied], ends - sizes) / sizes, sizes)


def _whole(n: SupportsFloat) -> int:
    """`n` as an int; 4.0 passes (np.geomspace makes such), 4.5 does not."""
    try:
        count = operator.index(n)  # type: ignore[arg-type]
    except TypeError:
        if not float(n).is_integer():
            raise UserError(f"n: found {n}, expected a whole number of at least 1") from None
        count = int(float(n))
    if count < 1:
        raise UserError(f"n: found {n}, expected a whole number of at least 1")
    return count


def _counts(ns: Iterable[SupportsFloat], samples: int) -> list[int]:
    counts = [_whole(n) for n in ns]
    for n in counts:
        if n > samples:
            raise UserError(f"n: found {n}, expected at most {samples}, the samples per prompt")
    return counts
