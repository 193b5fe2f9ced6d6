"""How well a mean is known: its standard error over prompts and over seeds, and both drawn again."""

import math

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import ArrayLike


def standard_error(values: ArrayLike, axis: int = -1) -> np.ndarray:
    """Standard error of the mean along `axis`, in the units of `values`: sd (ddof = 1) / sqrt(count).

    nan where there is a single value: it says nothing about another one.

    >>> standard_error([[1.0, 2.0, 3.0, 6.0], [0.0, 0.0, 0.0, 0.0]]).round(3).tolist()
    [1.08, 0.0]
    >>> standard_error([[5.0]]).tolist()
    [nan]
    """
    array = np.asarray(values, dtype=float)
    count = array.shape[axis]
    if count < 2:
        return np.full_like(array.mean(axis), math.nan)
    return np.asarray(array.std(axis, ddof=1) / math.sqrt(count))


def error_over_seeds(values: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Standard error of a mean over seeds, from `values` and their errors over prompts, both [seeds, ...].

    The seeds judge the same prompts, whose error does not shrink with seeds: se^2 = mean(se^2) + variance over
    seeds / seeds. A single seed adds nothing; with a single prompt, whose errors are nan, so is this.
    """
    spread = standard_error(values, axis=0) if len(values) > 1 else 0.0
    return np.asarray(np.sqrt((errors**2).mean(axis=0) + spread**2))


def at_least_usual(gold_se: ArrayLike) -> Float64[np.ndarray, " points"] | None:
    """Standard errors to weigh points by: those below their median count as the median.

    None where the median is 0 or, with a single prompt, nan.

    A standard error over prompts says how well a point is known, not how well a law ought to meet it. A collapsed
    policy answers every prompt alike: its small error must not pin the curve there.
    """
    se = np.asarray(gold_se, dtype=float)
    usual = float(np.median(se))
    return np.maximum(se, usual) if usual > 0 else None


def shares_drawn(
    count: int, *, draws: int, rng: np.random.Generator
) -> Float64[np.ndarray, "{draws} {count}"]:
    """`count` things (prompts, seeds) drawn again with replacement: the share of each in each of the draws."""
    return np.asarray(rng.multinomial(count, np.full(count, 1 / count), size=draws) / count)


def rows_drawn(count: int, *, draws: int) -> Int64[np.ndarray, "{draws} {count}"]:
    """`count` rows drawn again with replacement, the same in every call: which stand in each of the draws."""
    return np.random.default_rng(0).integers(count, size=(draws, count))
