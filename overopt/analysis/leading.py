"""Which points of a run lead on: those that curves are drawn, averaged and fitted from."""

from collections.abc import Mapping

import numpy as np
import polars as pl
from jaxtyping import Bool, Float64
from numpy.typing import ArrayLike


def leads_on(kl: ArrayLike) -> Bool[np.ndarray, " points"]:
    """At which points of a run, in their order, mean KL (nats) is larger than ever before.

    Where KL stands still or comes back, a run is no further on its way, and what gold does there is no value of a curve in
    KL. Best-of-n always leads on.

    >>> leads_on([0.0, 1.0, 4.0, 1.1, 4.0, 9.0]).tolist()
    [True, True, True, False, False, True]
    """
    values = np.asarray(kl, dtype=float)
    furthest: Float64[np.ndarray, " points"] = np.maximum.accumulate(np.concatenate([[-1.0], values]))
    return np.asarray(values > furthest[:-1])


def leading(
    run: Mapping[str, Float64[np.ndarray, "_ prompts"]],
) -> dict[str, Float64[np.ndarray, "_ prompts"]]:
    """The points of a run by prompt (see `curves.prompt_curve`) that lead on."""
    on = leads_on(run["kl"].mean(axis=1))
    return {name: values[on] for name, values in run.items()}


def held_back(curves: pl.DataFrame) -> bool:
    """Whether something holds the KL of these runs while gold moves on: then every point counts, in order of steps."""
    return bool((curves["kl_penalty"] > 0).any())
