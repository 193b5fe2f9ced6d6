"""How heavy the tail of a proxy's error is: with a heavy one, optimisation finds errors instead of gold.

Kwa et al. 2024 (catastrophic Goodhart): where the error's tail is heavier than that of gold, gold returns to the base
policy's as the proxy grows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike

from overopt.util.checked_arrays import as_floats
from overopt.util.errors import UserError


@dataclass(frozen=True)
class TailIndex:
    """alpha: P(X > x) falls about as x^-alpha; below 2 there is no variance. se: alpha / sqrt(used) values."""

    alpha: float
    se: float
    used: int


def hill(values: ArrayLike, used: int | None = None) -> TailIndex:
    """Hill's estimate of the upper tail's index, from the `used` largest values (default: the root of their number).

    alpha = used / sum of ln(X_i / threshold), the threshold being the next largest. A tail that falls faster than any
    power, as a normal one, has no alpha: the estimate then grows with the number of values. Hill 1975.

    >>> values = (np.arange(10_000) + 0.5) / 10_000
    >>> found = hill(values ** (-1 / 3), used=1000)  # quantiles of a Pareto distribution of index 3
    >>> round(found.alpha, 1), found.used
    (3.0, 1000)

    Raises:
        UserError: (a ValueError) if a value is not finite, `used` is no number from 1 to one less than their number,
            the threshold is not positive, or all those used equal it.
    """
    found = np.sort(as_floats("values", values, ("samples",)))
    used = math.isqrt(len(found)) if used is None else used
    if not 1 <= used < len(found):
        raise UserError(f"used: found {used}, expected 1 to {len(found) - 1}, less than the number of values")
    top, threshold = found[-used:], found[-used - 1]
    if not threshold > 0:
        raise UserError(f"values: found {threshold} as the next largest after {used}, expected more than 0")
    logs = float(np.log(top / threshold).sum())
    if not logs > 0:
        raise UserError(f"values: found the {used + 1} largest all equal, expected a tail")
    return TailIndex(used / logs, used / logs / math.sqrt(used), used)


def proxy_error(
    proxy: Sequence[Float64[np.ndarray, "_"]], gold: Sequence[Float64[np.ndarray, "_"]]
) -> Float64[np.ndarray, " samples"]:
    """What the proxy says beyond gold, in SDs of it: residuals of proxy on gold within prompts, one slope for all.

    For a proxy that is a multiple of gold plus an error that does not depend on gold, they are that error.

    Raises:
        UserError: (a ValueError) if there is no error: the proxy is a linear function of gold in each prompt.
    """
    x = np.concatenate([row - row.mean() for row in gold])
    y = np.concatenate([row - row.mean() for row in proxy])
    varies = float(x @ x)
    error = y - x * (float(x @ y) / varies if varies > 0 else 0.0)
    spread = float(error.std())
    if not spread > 1e-12 * float(np.abs(y).max()):
        raise UserError("proxy: found a linear function of gold in every prompt, expected an error beside it")
    return error / spread
