"""What optimising will bring, from scored samples of the base policy alone: nothing is optimised.

Best-of-n keeps the sample whose quantile u by proxy, among those of its prompt, has the density n u^(n-1). With
g(u) = E[gold | u], gold of best-of-n is

    R_n = integral over [0, 1] of g(u) n u^(n-1) du

for every n, also beyond the samples there are. Below the highest `TOP` ranks g is what the samples say. From there on it is
a tail model, which says what no sample can: **g is a quadratic in the normal score z of the quantile**, fitted to all ranks
of the upper half. It is exact where gold and proxy are jointly normal (then g(u) = rho z), and bends where gold does.

A policy optimised by reinforcement learning is taken to be the tilted one, pi0 exp(proxy / T), the best for the proxy at its
KL (`overopt.estimators.tilting`): as far as the samples carry it, and from there on by the law d(alpha - beta ln d).

Gao et al. 2022, section 3.1, for the laws; Nakano et al. 2021, appendix I, for the density.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike
from scipy.special import ndtri
from scipy.stats import beta as beta_distribution

from overopt.estimators.best_of_n import best_of_n_kl, powers_of_two
from overopt.estimators.bootstrap import Bootstrap, bootstrap
from overopt.estimators.tilting import tilts_at
from overopt.estimators.uncertainty import standard_error
from overopt.util.checked_arrays import as_floats
from overopt.util.errors import UserError

TOP = 4  # ranks whose gold is the tail model's: of so few samples each prompt's own luck is all there is
LEAST = 16  # samples a prompt, of which the upper half holds enough ranks for three coefficients
ESS = 30.0  # effective samples a prompt that a tilted policy is known by
TILTS = 24  # tilted policies, evenly in sqrt(KL)
_NODES = 400  # of a quadrature over [0, 1]


@dataclass(frozen=True)
class Curve:
    """A predicted curve: gold less the base policy's at each `kl` (nats), by prompt, and the law fitted to it.

    gold, gold_se: means over prompts, and their standard errors.
    """

    kl: Float64[np.ndarray, " points"]
    gold_by_prompt: Float64[np.ndarray, "points prompts"] = field(repr=False)
    law: Bootstrap

    @property
    def gold(self) -> Float64[np.ndarray, " points"]:
        """Mean over prompts."""
        return np.asarray(self.gold_by_prompt.mean(1))

    @property
    def gold_se(self) -> Float64[np.ndarray, " points"]:
        """Its standard error over prompts."""
        return standard_error(self.gold_by_prompt)

    def as_json(self) -> dict[str, Any]:
        """Coefficients and peak, each with its 95% interval, and the points; what is not finite is None."""
        told: dict[str, Any] = {"law": self.law.fit.law.name, "status": self.law.fit.status}
        for name in ("alpha", "beta", "peak_kl", "peak_gold"):
            low, high = getattr(self.law, name)
            values = {"": getattr(self.law.fit, name), "_low": low, "_high": high}
            told |= {f"{name}{end}": _finite(value) for end, value in values.items()}
        columns = zip(self.kl.tolist(), self.gold.tolist(), self.gold_se.tolist(), strict=True)
        return told | {"points": [{"kl": kl, "gold": gold, "gold_se": se} for kl, gold, se in columns]}


def gold_weights(samples: int, ns: Sequence[int]) -> Float64[np.ndarray, "ns {samples}"]:
    """What the mean gold at each rank by proxy (of `samples`, the lowest first) counts for in gold of the best of n.

    Rows add up to 1. They are the integral above: shares of n u^(n-1) of the ranks that are known, and what the tail model
    makes of the upper half.

    >>> weights = gold_weights(64, [1, 4])
    >>> weights.sum(1).round(9).tolist()
    [1.0, 1.0]

    Raises:
        UserError: (a ValueError) if there are fewer than `LEAST` samples.
    """
    if samples < LEAST:
        raise UserError(f"samples: found {samples} a prompt, expected at least {LEAST}")
    upper = np.arange(samples // 2, samples)
    design = _moments_of_ranks(samples)[upper]  # [upper, 3]: of 1, z and z^2 at each rank
    tail = np.linalg.pinv(design)  # [3, upper]: gold of the ranks to the coefficients of g
    edges = np.arange(samples - TOP + 1) / samples
    weights = np.zeros((len(ns), samples))
    for row, n in enumerate(ns):
        weights[row, : samples - TOP] = np.diff(edges**n)
        weights[row, upper] += _moments_beyond(edges[-1], n) @ tail
    return weights


def predict_best_of_n(
    proxy: ArrayLike, gold: ArrayLike, *, max_n: int, rng: np.random.Generator, draws: int = 1000
) -> Curve:
    """Best-of-n by `proxy` for n = 1, 2, 4 ... `max_n`, which may be far beyond the samples.

    `proxy` and `gold` are [prompts, samples], gold in the units that the prediction is to be in. Intervals are over prompts;
    the tail model's own error is in none.

    >>> rng = np.random.default_rng(0)
    >>> proxy = rng.standard_normal((200, 64))
    >>> curve = predict_best_of_n(proxy, 0.5 * proxy, max_n=1024, rng=rng, draws=50)
    >>> round(float(curve.gold[-1]), 1)  # half of E[max of 1,024 normal numbers], which is 3.21
    1.6

    Raises:
        UserError: (a ValueError) if the shapes differ, a score is not finite, there are fewer than `LEAST` samples a prompt,
            or a single prompt.
    """
    proxies, golds = _checked(proxy, gold)
    ns = powers_of_two(max_n)
    by_rank = np.stack([_by_rank(*row) for row in zip(proxies, golds, strict=True)])
    predicted = gold_weights(proxies.shape[1], ns) @ (by_rank - golds.mean()).T
    kl = np.array([best_of_n_kl(n) for n in ns])
    return Curve(kl, predicted, bootstrap([(kl, predicted)], "bon", rng=rng, draws=draws))


def predict_rl(
    proxy: ArrayLike, gold: ArrayLike, *, rng: np.random.Generator, draws: int = 1000
) -> Curve | None:
    """Reinforcement learning against `proxy`, as the tilted policy: as far as `ESS` effective samples a prompt carry it.

    None where they carry no three points: the proxy tells the samples of a prompt too little apart. Arguments, units and
    errors as `predict_best_of_n`.
    """
    proxies, golds = _checked(proxy, gold)
    kls = np.linspace(0, math.sqrt(math.log(proxies.shape[1])), TILTS + 1)[1:] ** 2
    tilts = [tilted for tilted in tilts_at(proxies, kls.tolist()) if tilted.ess >= ESS]
    if len(tilts) < 3:
        return None
    golds = golds - golds.mean()
    by_prompt = np.stack([(tilted.weights * golds).sum(1) for tilted in tilts])
    kl_by_prompt = np.stack([tilted.kl_by_prompt for tilted in tilts])
    law = bootstrap([(kl_by_prompt, by_prompt)], "rl", rng=rng, draws=draws)
    return Curve(kl_by_prompt.mean(1), by_prompt, law)


def _checked(
    proxy: ArrayLike, gold: ArrayLike
) -> tuple[Float64[np.ndarray, "prompts samples"], Float64[np.ndarray, "prompts samples"]]:
    proxies = as_floats("proxy", proxy, ("prompts", "samples"))
    golds = as_floats("gold", gold, ("prompts", "samples"))
    if proxies.shape != golds.shape:
        raise UserError(f"gold: found shape {golds.shape}, expected the shape of proxy, {proxies.shape}")
    return proxies, golds


def _by_rank(
    proxy: Float64[np.ndarray, " samples"], gold: Float64[np.ndarray, " samples"]
) -> Float64[np.ndarray, " samples"]:
    """Gold of one prompt's samples, from low to high proxy; those that tie share theirs."""
    _, place, sizes = np.unique(proxy, return_inverse=True, return_counts=True)
    return np.repeat(np.bincount(place, weights=gold) / sizes, sizes)


def _moments_of_ranks(samples: int) -> Float64[np.ndarray, "{samples} 3"]:
    """Means of 1, z and z^2 at every rank: the quantile at rank i of N is Beta(i, N + 1 - i), not i / N."""
    nodes, weights = _quadrature()
    ranks = np.arange(1, samples + 1)[:, None]
    z = ndtri(beta_distribution.ppf(nodes, ranks, samples + 1 - ranks))  # [samples, nodes]
    return np.stack([np.ones(samples), z @ weights, z**2 @ weights], axis=1)


def _moments_beyond(edge: float, n: int) -> Float64[np.ndarray, "3"]:
    """Integrals of 1, z and z^2 against n u^(n-1) from `edge` to 1: with v = u^n, which is uniform."""
    nodes, weights = _quadrature()
    start = edge**n
    v = start + (1 - start) * nodes
    z = -ndtri(-np.expm1(np.log(v) / n))  # of 1 - u, which is small, and not of u
    return (1 - start) * np.array([weights.sum(), z @ weights, z**2 @ weights])


def _quadrature() -> tuple[Float64[np.ndarray, " nodes"], Float64[np.ndarray, " nodes"]]:
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return (nodes + 1) / 2, weights / 2


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
