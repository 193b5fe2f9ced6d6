"""Curves drawn again: what else prompts and seeds could have shown, for intervals of whatever is made of curves."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Float64
from numpy.typing import ArrayLike

from overopt.curves import prompt_curve
from overopt.seeding import derive

DRAWS = 400


@dataclass(frozen=True)
class Resampled:
    """One curve, the mean over its seeds, on a grid of KL; `draws` of it, over prompts and seeds.

    Curves of the same prompts draw the same prompts, so that differences between them can be taken draw by draw.
    """

    kl: Float64[np.ndarray, " grid"]
    mean: Float64[np.ndarray, " grid"]
    draws: Float64[np.ndarray, "draws grid"]

    def at(self, kl: ArrayLike) -> tuple[Float64[np.ndarray, " at"], Float64[np.ndarray, "draws at"]]:
        """Mean and draws at each `kl` (nats), interpolated in sqrt(KL); ends are held beyond the grid."""
        matrix = _interpolation(self.kl, np.atleast_1d(np.asarray(kl, dtype=float)))
        return matrix @ self.mean, self.draws @ matrix.T


def resampled(
    curves: pl.DataFrame,
    by_prompt: pl.DataFrame,
    value: str = "gold",
    *,
    draws: int = DRAWS,
    points: int = 40,
) -> Resampled:
    """The curve that is the mean of the records (seeds) in `curves`, of `gold` or `proxy`.

    Seeds are drawn with replacement, and one set of prompts for all of them. With one seed only prompts are drawn.
    """
    found = [prompt_curve(by_prompt, str(r)) for r in curves["record"].unique(maintain_order=True)]
    kls = [points["kl"].mean(1) for points in found]
    shared = all(len(kl) == len(kls[0]) and np.allclose(kl, kls[0]) for kl in kls)
    reach = min(float(kl[-1]) for kl in kls)
    grid = kls[0] if shared else np.linspace(0, np.sqrt(reach), points) ** 2
    prompts = found[0][value].shape[1]
    rng = np.random.default_rng(derive(0, "prompts", prompts, draws))
    counts = rng.multinomial(prompts, np.full(prompts, 1 / prompts), size=draws) / prompts  # [draws, prompts]
    rng = np.random.default_rng(derive(0, "seeds", *sorted(curves["record"].unique().to_list())))
    seeds = rng.multinomial(len(found), np.full(len(found), 1 / len(found)), size=draws) / len(found)
    mean, drawn = np.zeros(len(grid)), np.zeros((draws, len(grid)))
    for k, (kl, run) in enumerate(zip(kls, found, strict=True)):
        matrix = _interpolation(kl, grid)
        mean += matrix @ run[value].mean(1) / len(found)
        drawn += seeds[:, k : k + 1] * (counts @ (matrix @ run[value]).T)
    return Resampled(grid, mean, drawn)


def interval(draws: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """The percentile interval of draws; not a number is left out."""
    values = np.asarray(draws, dtype=float)
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def slopes(x: Sequence[float], y: Float64[np.ndarray, "*draws x"]) -> Float64[np.ndarray, "*draws"]:
    """Least-squares slope of y against x, for each draw."""
    centred = np.asarray(x, dtype=float) - np.mean(x)
    return np.asarray(y @ centred / (centred @ centred))


def _interpolation(
    kl: Float64[np.ndarray, " points"], grid: Float64[np.ndarray, " grid"]
) -> Float64[np.ndarray, "grid points"]:
    """Weights that interpolate values at `kl`, which need not be sorted, linearly in sqrt(KL) at `grid`."""
    order = np.argsort(kl, kind="stable")
    d = np.sqrt(kl[order])
    matrix = np.zeros((len(grid), len(kl)))
    for column in range(len(kl)):
        unit = np.zeros(len(kl))
        unit[column] = 1.0
        matrix[:, order[column]] = np.interp(np.sqrt(grid), d, unit)
    return matrix
