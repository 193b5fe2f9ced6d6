"""What ties take off the KL of best-of-n.

Let a prompt's samples stand from low to high proxy, u in [0, 1] their quantile. Where no two tie, the best of n has the
density n u^(n-1) over the base policy's, and

    integral of n u^(n-1) ln(n u^(n-1)) du over [a, b] = G(b) - G(a),  G(u) = u^n (ln n + (n - 1) ln u - (n - 1) / n)

which is log n - (n - 1)/n from 0 to 1. A tie that fills [a, b] is one value to the proxy: the best of n takes it with
probability P = b^n - a^n and spreads it evenly over the tie, which contributes P ln(P / (b - a)). That is never more
than the integral (Jensen), and the difference is what the tie takes off. With nothing but ties the rest is the KL
between two discrete distributions, sum P ln(P / p); without any it is the formula.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int64
from scipy.special import rel_entr

LEAST = -45.0  # ln of u^n: below it the best of n comes so seldom that a million ties contribute nothing


def lost_to_ties(
    starts: Int64[np.ndarray, " ties"],
    sizes: Int64[np.ndarray, " ties"],
    samples: int,
    prompts: int,
    ns: Sequence[int],
) -> Float64[np.ndarray, "ns {prompts}"]:
    """Nats by which the ties of each prompt lower the KL of best-of-n from the base policy, for every n.

    The prompts have `samples` samples each, sorted by proxy, and stand one after another. starts: the place of each
    tie's first sample among all of them; sizes: how many tie there.

    >>> halves = np.array([0, 128]), np.array([128, 128])  # a proxy of two values
    >>> lost = lost_to_ties(*halves, samples=256, prompts=1, ns=[4096])
    >>> round(math.log(4096) - 4095 / 4096 - float(lost[0, 0]), 6)  # ln 2: the best is always of the better half
    0.693147
    """
    prompt, below = np.divmod(starts, samples)
    shares = sizes / samples
    with np.errstate(divide="ignore"):
        log_below, log_top = np.log(below / samples), np.log((below + sizes) / samples)
    lost = np.zeros((len(ns), prompts))
    for row, n in enumerate(ns):
        if n > 1:  # else nothing is chosen
            reached = n * log_top > LEAST
            low, high, share = log_below[reached], log_top[reached], shares[reached]
            chosen = np.exp(n * high) - np.exp(n * low)
            off = _up_to(high, n) - _up_to(low, n) - rel_entr(chosen, share)
            lost[row] = np.bincount(prompt[reached], np.maximum(off, 0.0), minlength=prompts)
    return lost


def _up_to(log_u: Float64[np.ndarray, " ties"], n: int) -> Float64[np.ndarray, " ties"]:
    """The contribution of all quantiles below u where nothing ties: G(u), nats."""
    finite = np.maximum(log_u, -1e6)  # at u = 0, where u^n ln u goes to 0
    return np.exp(n * finite) * (math.log(n) + (n - 1) * finite - (n - 1) / n)
