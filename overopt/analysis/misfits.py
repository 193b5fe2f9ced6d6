"""How far a form is from a curve beyond the curve's own noise: a mean square minus its variance, drawn again."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike

from overopt.analysis.resampled import Resampled, interval
from overopt.estimators.laws import Law
from overopt.estimators.uncertainty import at_least_usual


@dataclass(frozen=True)
class Square:
    """A mean square, minus what noise alone would make of it (so that it may come out below 0), and draws of it."""

    value: float
    draws: Float64[np.ndarray, " draws"]


def square(mean: Float64[np.ndarray, " points"], draws: Float64[np.ndarray, "draws points"]) -> Square:
    """Of what is 0 without noise, from its mean and draws of it.

    The mean holds the noise once, and a draw twice: its own, and that of the mean it was drawn around.
    """
    variance = draws.var(axis=0)
    return Square(float((mean**2 - variance).mean()), (draws**2 - 2 * variance).mean(axis=1))


def root(squares: ArrayLike) -> np.ndarray:
    """Square root, of what noise put below 0 too."""
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)))


def misfit(curve: Resampled, law: Law, *, until: float | None = None) -> Square | None:
    """Squared difference (SDs^2) of a curve and the law fitted to it; with `until` (nats) fitted up to there, beyond it.

    The law has no shape parameter. None where there are too few points.
    """
    used = curve.kl > 0
    near = used if until is None else used & (curve.kl <= until)
    judged = near if until is None else used & ~near
    if near.sum() <= law.parameters or not judged.any():
        return None
    errors = at_least_usual(curve.draws[:, near].std(axis=0))
    weights = np.ones(int(near.sum())) if errors is None else 1 / errors
    design = law.basis(curve.kl[near]) * weights[:, None]
    every = np.vstack([curve.mean, curve.draws])  # of one design: a fit of each is one product
    coefficients, _, rank, _ = np.linalg.lstsq(design, (every[:, near] * weights).T, rcond=None)
    if rank < law.parameters:
        return None
    residuals = every[:, judged] - coefficients.T @ law.basis(curve.kl[judged]).T
    return square(residuals[0], residuals[1:])


def relative_misfit(curve: Resampled, law: Law) -> Square | None:
    """`misfit` over the curve's range, squared; None where the curve may not move at all."""
    found = misfit(curve, law)
    if found is None or not moved(curve) > 0:
        return None
    extent = float(np.ptp(curve.mean)) ** 2
    return Square(found.value / extent, found.draws / extent)


def moved(curve: Resampled) -> float:
    """How far a curve surely goes (SDs): the lower end of the 95% interval of its highest minus its lowest point."""
    top, low = int(curve.mean.argmax()), int(curve.mean.argmin())
    return interval(curve.draws[:, top] - curve.draws[:, low])[0]


def falls(curve: Resampled, level: float = 0.975) -> bool:
    """Whether some point surely lies above the end, whichever it is.

    A highest point is high by chance too. So the fall from each point, in its standard errors, is compared with the largest
    that chance gives over all points: its `level` quantile over the draws (max-t; Westfall and Young 1993).
    """
    return bool((curve.mean - curve.mean[-1] > _least_sure_falls(curve, level)).any())


def least_sure_fall(curve: Resampled, level: float = 0.975) -> float:
    """How far the end must lie below the highest point before it (SDs) for `falls` to say so; nan where nothing would do."""
    return float(_least_sure_falls(curve, level)[int(curve.mean[:-1].argmax())])


def _least_sure_falls(curve: Resampled, level: float) -> Float64[np.ndarray, " points"]:
    """How far the end must lie below each point (SDs) to do so surely; nan of points that draws tell nothing about."""
    chance = curve.draws - curve.draws[:, -1:] - (curve.mean - curve.mean[-1])
    errors = chance.std(axis=0)
    known = errors > 0
    if not known.any():
        return np.full(len(errors), np.nan)
    largest = (chance[:, known] / errors[known]).max(axis=1)
    return np.where(known, errors * np.quantile(largest, level), np.nan)


def rises(curve: Resampled) -> bool:
    """Whether the highest point surely lies above the start."""
    return interval(curve.draws[:, int(curve.mean.argmax())] - curve.draws[:, 0])[0] > 0
