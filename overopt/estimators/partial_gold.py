"""Best-of-n from gold scores of a few samples: the ones that can win, and a random share of the others.

Best-of-n needs all proxy scores, but weighs gold scores: for a large n only the top ranks of the proxy count, for a
small n every sample counts a little. So the `exact` best of a prompt by proxy are always judged by gold, the sample
at rank r with chance exact / r: `exact * (1 + log(N / exact))` of N samples on average, 1,676 of 65,536 for 256.

A sample judged with chance p counts 1/p times, one not judged counts 0. Given the proxy, the expectation of that is
the sample's gold score, and every best-of-n estimate is linear in gold: it stays unbiased (Horvitz & Thompson 1952).
"""

import numpy as np
from jaxtyping import Bool, Float64
from numpy.typing import ArrayLike

from overopt.estimators.fast_argsort import ascending
from overopt.util.checked_arrays import as_floats


def inclusion_chance(proxy: ArrayLike, exact: int) -> Float64[np.ndarray, "prompts samples"]:
    """Chance that gold judges a sample, from proxy scores [prompts, samples]: min(1, exact / rank), rank 1 the best.

    Samples of equal proxy score share the best of their ranks. Each prompt is ranked by itself.

    Raises:
        UserError: (a ValueError) if a score is not finite.
        ValueError: if `exact` is below 1.
    """
    if exact < 1:
        raise ValueError(f"exact: found {exact}, expected at least 1")
    scores = as_floats("proxy", proxy, ("prompts", "samples"))
    order = np.stack([ascending(row) for row in -scores])
    ordered = np.take_along_axis(scores, order, axis=1)
    first = np.ones(scores.shape, dtype=bool)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    ranks = np.arange(1, scores.shape[1] + 1)
    best = np.maximum.accumulate(np.where(first, ranks, 0), axis=1)
    chance = np.empty(scores.shape)
    np.put_along_axis(chance, order, np.minimum(1.0, exact / best), axis=1)
    return chance


def spread_gold(
    judged: Float64[np.ndarray, " judged"],
    chosen: Bool[np.ndarray, "prompts samples"],
    chance: Float64[np.ndarray, "prompts samples"],
) -> Float64[np.ndarray, "prompts samples"]:
    """Unbiased stand-ins for the gold scores of all samples, from those of the `chosen`, row after row.

    Their spread adds to the standard error over prompts by itself. Least where gold averages about 0, as on the
    base policy's scale.
    """
    spread = np.zeros(chosen.shape)
    spread[chosen] = judged / chance[chosen]
    return spread
