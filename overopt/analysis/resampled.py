"""Curves drawn again: what else prompts and seeds could have shown, for intervals of whatever is made of curves."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float64
from numpy.typing import ArrayLike

from overopt.analysis.curves import prompt_curve
from overopt.analysis.leading import leading
from overopt.estimators.uncertainty import rows_drawn, shares_drawn
from overopt.util.seeds import derive

DRAWS = 400


@dataclass(frozen=True)
class Resampled:
    """One curve, the mean over its seeds, on a grid of KL or of steps, with the KL there; `draws` of it, over prompts
    and seeds.

    Curves of the same prompts draw the same prompts, so that differences between them can be taken draw by draw. Draws
    are nan where there is nothing to draw from: of a single prompt and seed.
    """

    kl: Float64[np.ndarray, " grid"]
    mean: Float64[np.ndarray, " grid"]
    draws: Float64[np.ndarray, "draws grid"]

    def at(self, kl: ArrayLike) -> tuple[Float64[np.ndarray, " at"], Float64[np.ndarray, "draws at"]]:
        """Mean and draws at each `kl` (nats), interpolated in sqrt(KL); ends are held beyond the grid."""
        at = np.atleast_1d(np.asarray(kl, dtype=float))
        matrix = _interpolation(np.sqrt(self.kl), np.sqrt(at))
        return matrix @ self.mean, self.draws @ matrix.T


def resampled(
    curves: pl.DataFrame,
    by_prompt: pl.DataFrame,
    value: str = "gold",
    *,
    by_step: bool = False,
    draws: int = DRAWS,
    points: int = 40,
) -> Resampled:
    """The curve that is the mean of the records (seeds) in `curves`, of `gold` or `proxy`.

    Seeds are drawn with replacement, and one set of prompts for all of them. With one seed only prompts are drawn.
    Seeds meet where each first came to a KL (see `leading.leads_on`), as far as all of them came; or at equal steps with
    `by_step`: a KL penalty holds KL where it is, while gold moves on.
    """
    records = [str(record) for record in curves["record"].unique(maintain_order=True)]
    runs = [prompt_curve(by_prompt, record) for record in records]
    if by_step:
        places = [steps(by_prompt, record) for record in records]
    else:
        runs = [leading(run) for run in runs]
        places = [np.sqrt(run["kl"].mean(1)) for run in runs]
    kls = [run["kl"].mean(1) for run in runs]
    shared = all(len(at) == len(places[0]) and np.allclose(at, places[0]) for at in places)
    grid = places[0] if shared else np.linspace(0, min(float(at[-1]) for at in places), points)
    prompts = runs[0][value].shape[1]
    rng = np.random.default_rng(derive(0, "prompts", prompts, draws))
    of_prompts = shares_drawn(prompts, draws=draws, rng=rng)  # [draws, prompts]
    rng = np.random.default_rng(derive(0, "seeds", *sorted(records)))
    of_seeds = shares_drawn(len(runs), draws=draws, rng=rng)  # [draws, seeds]
    kl, mean, drawn = np.zeros(len(grid)), np.zeros(len(grid)), np.zeros((draws, len(grid)))
    for k, (place, run) in enumerate(zip(places, runs, strict=True)):
        matrix = _interpolation(place, grid)
        kl += matrix @ kls[k] / len(runs)
        mean += matrix @ run[value].mean(1) / len(runs)
        drawn += of_seeds[:, k : k + 1] * (of_prompts @ (matrix @ run[value]).T)
    if prompts == len(runs) == 1:
        drawn[:] = np.nan
    return Resampled(kl if by_step else grid**2, mean, drawn)


def steps(by_prompt: pl.DataFrame, record: str) -> Float64[np.ndarray, " points"]:
    """The steps of one record's points, in order."""
    return by_prompt.filter(record=record)["step"].unique().sort().to_numpy().astype(float)


def interval(draws: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """The percentile interval of draws; not a number is left out."""
    values = np.asarray(draws, dtype=float)
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def over_groups(
    values: ArrayLike, statistic: Callable[..., Any] = np.mean, *, draws: int = 2000
) -> tuple[float, tuple[float, float]]:
    """A statistic of one value a group (a proxy size, a run), and its interval over groups drawn with replacement.

    `statistic` takes values and an `axis`.
    """
    of_groups = np.asarray(values, dtype=float)
    drawn = of_groups[rows_drawn(len(of_groups), draws=draws)]
    return float(statistic(of_groups, axis=0)), interval(statistic(drawn, axis=1))


def slopes(x: Sequence[float], y: Float64[np.ndarray, "*draws x"]) -> Float64[np.ndarray, "*draws"]:
    """Least-squares slope of y against x, for each draw."""
    centred = np.asarray(x, dtype=float) - np.mean(x)
    return np.asarray(y @ centred / (centred @ centred))


def slope_by_size(
    sizes: Sequence[int], values: ArrayLike, draws: Float64[np.ndarray, "draws sizes"]
) -> tuple[float, tuple[float, float]]:
    """Change of values per factor of ten in size (of a model, of data), and its interval from draws of the values."""
    x = [math.log10(size) for size in sizes]
    return float(slopes(x, np.asarray(values, dtype=float))), interval(slopes(x, draws))


def _interpolation(
    place: Float64[np.ndarray, " points"], grid: Float64[np.ndarray, " grid"]
) -> Float64[np.ndarray, "grid points"]:
    """Weights that linearly interpolate values at `place`, which need not be sorted, at `grid`."""
    order = np.argsort(place, kind="stable")
    matrix = np.zeros((len(grid), len(place)))
    for column, unit in zip(order, np.eye(len(place)), strict=True):
        matrix[:, column] = np.interp(grid, place[order], unit)
    return matrix
