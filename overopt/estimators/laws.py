"""The functional forms of gold reward, fitted to a measured curve.

With d = sqrt(KL(policy || base policy)), KL in nats, and gold reward R zero at the base policy, every law is

    R(d) = d (alpha - beta bend(d))

and the two of the paper are

    best-of-n  "bon"  bend(d) = d     peak at d* = alpha / (2 beta), height alpha^2 / (4 beta)
    RL         "rl"   bend(d) = ln d  peak at d* = exp(alpha/beta - 1), height beta d*

They are linear in (alpha, beta), so that a fit is a weighted least squares without a starting point or local
optima. Gao et al. 2022, section 3.1. The fitting loss is not in the paper: it is our choice.

A fit always says by its `status` whether it may be trusted; `STATUSES` explains each.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike
from scipy import special

from overopt.estimators.least_squares import solve
from overopt.util.checked_arrays import LARGEST, as_floats, as_nats
from overopt.util.errors import UserError

Points = Float64[np.ndarray, " points"]

STATUSES = {
    "ok": "the peak lies within the measured KL",
    "too_few_points": "fewer than three different KL above 0: nothing was fitted",
    "underdetermined": "the sign of beta is not known to two standard errors: gold may turn down or not",
    "not_centred": "gold is far from 0 at KL 0, where both forms are 0: subtract the base policy's mean",
    "negative_slope": "alpha is not positive: gold falls from the start",
    "no_peak": "beta is negative: gold never turns down under this form",
    "peak_outside": "the peak lies outside the measured KL: its position is an extrapolation",
}

# The peak is where beta puts it; closer to 0 than this many standard errors, it can be anywhere.
_RESOLVED = 2.0


@dataclass(frozen=True)
class Law:
    """One form of gold reward: R(d) = d (alpha - beta bend(d)), with d = sqrt(KL).

    name: what it is called by; label, tex: R(d) in words and in TeX; bend: of d > 0 and the shape; top: the d where R
    is highest, of alpha / beta and the shape; shapes: what a fit tries for the shape, a third parameter of few laws.

    >>> bon = LAWS["bon"]
    >>> bon.basis(np.array([4.0])).tolist()  # at 4 nats alpha counts d times, beta -d^2 times
    [[2.0, -4.0]]
    >>> bon.peak(alpha=0.8, beta=0.2)  # nats, and gold
    (4.0, 0.8)
    """

    name: str
    label: str
    tex: str
    bend: Callable[[Any, float], Any] = field(repr=False)
    top: Callable[[Any, float], Any] = field(repr=False)
    shapes: tuple[float, ...] = field(default=(0.0,), repr=False)

    @property
    def parameters(self) -> int:
        """Two, alpha and beta, or three with a shape."""
        return 2 + (len(self.shapes) > 1)

    def basis(
        self, kl: Float64[np.ndarray, "*batch points"], shape: float = 0.0
    ) -> Float64[np.ndarray, "*batch points 2"]:
        """What alpha and beta multiply: (d, -d bend(d)); rows of zeros at kl = 0."""
        d = np.sqrt(kl)
        return np.stack([d, -d * self.bend(np.where(d > 0, d, 1.0), shape)], axis=-1)

    def gold(self, kl: ArrayLike, alpha: float, beta: float, shape: float = 0.0) -> Points:
        """R at each `kl` (nats); 0 at kl = 0.

        Raises:
            UserError: (a ValueError) if a kl is negative or not finite.
        """
        return np.asarray(self.basis(as_nats("kl", kl), shape) @ np.array([alpha, beta]))

    def suprema(
        self, alpha: Float64[np.ndarray, " draws"], beta: Float64[np.ndarray, " draws"], shape: float = 0.0
    ) -> tuple[Float64[np.ndarray, " draws"], Float64[np.ndarray, " draws"]]:
        """KL (nats) and height of the supremum over d >= 0; both infinite where gold never turns down."""
        turns = beta > 0
        with np.errstate(over="ignore", divide="ignore"):  # beta barely positive: a peak at infinity is right
            d = np.maximum(self.top(alpha / np.where(turns, beta, 1.0), shape), 0.0)
            height = d * (alpha - beta * self.bend(np.where(d > 0, d, 1.0), shape))
            there = turns & np.isfinite(d)
            return np.where(there, d * d, math.inf), np.where(there, height, math.inf)

    def peak(self, alpha: float, beta: float, shape: float = 0.0) -> tuple[float, float]:
        """KL (nats) and gold at the maximum; nan, nan where there is none above d = 0.

        A peak too far out for a float ("rl" with beta barely positive) counts as none.
        """
        (kl,), (gold,) = self.suprema(np.array([alpha]), np.array([beta]), shape)
        return (float(kl), float(gold)) if 0 < kl < math.inf > gold else (math.nan, math.nan)


LAWS = {
    "bon": Law("bon", "d(α − β d)", r"d(\alpha - \beta d)", lambda d, _: d, lambda slope, _: slope / 2),
    "rl": Law(
        "rl",
        "d(α − β ln d)",
        r"d(\alpha - \beta \ln\,d)",
        lambda d, _: np.log(d),
        lambda slope, _: np.exp(slope - 1),
    ),
}


@dataclass(frozen=True)
class Fit:
    """Coefficients of one law with their covariance, its peak, and whether to trust them.

    alpha, beta and `peak_gold` are in the units of the gold given (per nat^1/2, per nat, and plain);
    `peak_kl` is in nats. What does not exist is nan: coefficients when there were too few points, the peak
    when the law has none. `n_points` counts the points used, those with kl > 0. `covariance` is of alpha and beta,
    given the `shape`; `dof` the degrees of freedom, `chi2_dof` the chi-square per degree of freedom (nan
    without standard errors of the points).

    >>> made = fit([1.0, 4.0, 9.0], [0.5, 0.8, 0.8], law="bon")
    >>> made.covariance.shape
    (2, 2)
    >>> low, high = made.interval("alpha", 0.95)
    >>> low < made.alpha < high
    True
    >>> made.predict([0.0, 1.0]).round(2).tolist()
    [0.0, 0.52]
    """

    law: Law
    shape: float
    alpha: float
    beta: float
    covariance: Float64[np.ndarray, "2 2"] = field(compare=False)
    peak_kl: float
    peak_gold: float
    status: str
    n_points: int
    dof: int
    chi2_dof: float

    @property
    def alpha_se(self) -> float:
        """Standard error of alpha."""
        return math.sqrt(self.covariance[0, 0])

    @property
    def beta_se(self) -> float:
        """Standard error of beta."""
        return math.sqrt(self.covariance[1, 1])

    def predict(self, kl: ArrayLike) -> Points:
        """Gold reward at each `kl` (nats), as `Law.gold`; nan where nothing was fitted."""
        return self.law.gold(kl, self.alpha, self.beta, self.shape)

    def interval(self, coefficient: Literal["alpha", "beta"], level: float = 0.95) -> tuple[float, float]:
        """Confidence interval for independent, normal points: normal where the points came with standard
        errors, Student's t where the residuals had to tell the noise."""
        value, se = (self.alpha, self.alpha_se) if coefficient == "alpha" else (self.beta, self.beta_se)
        tail, known = (1 + level) / 2, not math.isnan(self.chi2_dof)
        half = se * float(special.ndtri(tail) if known else special.stdtrit(max(self.dof, 1), tail))
        return value - half, value + half


def fit(kl: ArrayLike, gold: ArrayLike, *, law: Law | str, gold_se: ArrayLike | None = None) -> Fit:
    """Fit a law (or "bon", "rl") to the points (`kl` in nats, `gold`) of a curve by weighted least squares.

    Gold is taken as it comes: subtract the base policy's mean before. Points at kl = 0 tell nothing about
    alpha and beta (every law is 0 there whatever they are) and are left out.

    Without `gold_se` all points weigh the same and the residuals tell the noise. With it the weights are
    1/gold_se^2, and the covariance is multiplied by max(1, chi2/dof): points that scatter more than their
    standard errors say (seeds, a law that is only about right) widen the standard errors of alpha and beta;
    points that scatter less, as neighbours on a curve measured on the same samples do, do not narrow them.

    The standard errors suppose points with independent errors. The points of a best-of-n curve share their
    samples; for those take the intervals of `overopt.estimators.bootstrap`.

    >>> kl = np.array([0.0, 0.2, 1.0, 2.0, 4.0, 6.0])
    >>> made = fit(kl, np.sqrt(kl) * (0.8 - 0.2 * np.sqrt(kl)), law="bon")
    >>> round(made.alpha, 6), round(made.beta, 6), round(made.peak_kl, 6), made.status
    (0.8, 0.2, 4.0, 'ok')

    Raises:
        UserError: (a ValueError) for an unknown law, arrays of different lengths or without values, an
            entry that is not finite, a negative kl, or a gold_se that is not positive where it is used.
    """
    law = law_named(law)
    kls, golds = as_nats("kl", kl), as_floats("gold", gold, ("points",))
    ses = None if gold_se is None else as_floats("gold_se", gold_se, ("points",))
    _check_points(kls, golds, ses)

    used = kls > 0
    n_points = int(used.sum())
    # KL values that differ by rounding only are one value.
    ordered = np.sort(kls[used])
    if n_points == 0 or 1 + (np.diff(ordered) > 1e-9 * ordered[1:]).sum() <= law.parameters:
        return _unfitted(law, n_points=n_points)
    found = coefficients(law, kls[used], golds[used], None if ses is None else ses[used])
    if found is None:
        return _unfitted(law, "underdetermined", n_points)
    shape, (alpha, beta), inverse, chi2 = found
    dof = n_points - law.parameters
    covariance = inverse * (chi2 / dof if ses is None else max(1.0, chi2 / dof))
    peak_kl, peak_gold = law.peak(alpha, beta, shape)
    # Points exactly on a straight line leave a beta of either sign, by rounding.
    of_alpha, of_beta = np.abs(law.basis(kls[used], shape)).max(axis=0)
    rounding = 1e-12 * abs(alpha) * of_alpha / of_beta
    if abs(beta) <= max(_RESOLVED * math.sqrt(covariance[1, 1]), rounding):
        status = "underdetermined"
    elif _far_from_zero_at_start(kls, golds, ses):
        status = "not_centred"
    elif _falls_from_start(law, shape, alpha, beta):
        status = "negative_slope"
    elif beta <= 0:
        status = "no_peak"
    elif not kls[used].min() <= peak_kl <= kls.max():  # True for the nan of a peak beyond float64
        status = "peak_outside"
    else:
        status = "ok"
    chi2_dof = math.nan if ses is None else chi2 / dof
    return Fit(law, shape, alpha, beta, covariance, peak_kl, peak_gold, status, n_points, dof, chi2_dof)


def law_named(law: Law | str, field: str = "law") -> Law:
    """The law of that name in `LAWS`; a `Law` as it is.

    Raises:
        UserError: (a ValueError) naming `field`, if there is none.
    """
    if isinstance(law, str) and law not in LAWS:
        raise UserError(f"{field}: found {law!r}, expected 'bon' or 'rl'")
    return LAWS[law] if isinstance(law, str) else law


def coefficients(
    law: Law, kl: Points, gold: Points, gold_se: Points | None
) -> tuple[float, tuple[float, float], Float64[np.ndarray, "2 2"], float] | None:
    """The shape that fits best, (alpha, beta), (X'X)^-1 and chi-square; None where points do not tell alpha from beta."""
    weights = np.ones(len(kl)) if gold_se is None else 1 / gold_se  # square roots of the weights
    design = np.stack([law.basis(kl, shape) for shape in law.shapes]) * weights[:, None]
    target = np.broadcast_to(gold * weights, design.shape[:2])  # [shapes, points]
    solutions, inverses, full_rank = solve(design, target)
    residuals = target - (design @ solutions[..., None])[..., 0]
    chi2 = np.where(full_rank, (residuals**2).sum(axis=1), math.inf)
    best = int(chi2.argmin())
    if not full_rank[best]:
        return None
    alpha, beta = solutions[best].tolist()
    return law.shapes[best], (alpha, beta), inverses[best], float(chi2[best])


def _check_points(
    kl: Points, gold: Float64[np.ndarray, " _"], gold_se: Float64[np.ndarray, " _"] | None
) -> None:
    for name, values in (("gold", gold), ("gold_se", gold_se)):
        if values is not None and len(values) != len(kl):
            raise UserError(f"{name}: found {len(values)} values, expected {len(kl)}, one for each kl")
    if gold_se is not None:
        # Where kl is 0 no weight is made of it: a policy compared with itself may well have gold 0 +- 0.
        least = np.maximum(np.abs(gold), 1.0) / LARGEST  # below it the weight overflows
        bad = (gold_se < 0) | ((gold_se <= least) & (kl > 0))
        if bad.any():
            point = int(np.argmax(bad))
            raise UserError(f"gold_se: found {gold_se[point]} at point {point}, expected a number above 0")


def _far_from_zero_at_start(kl: Points, gold: Points, gold_se: Points | None) -> bool:
    """Whether gold at kl = 0 is off 0 by over a tenth of the curve's range, and by four standard errors."""
    start = kl == 0
    if not start.any():
        return False
    offset = abs(float(gold[start].mean()))
    beyond_noise = gold_se is None or offset > 4 * float(gold_se[start].max())
    return beyond_noise and offset > 0.1 * float(np.ptp(gold))


def _falls_from_start(law: Law, shape: float, alpha: float, beta: float) -> bool:
    """Whether the slope of gold at d = 0, which is alpha - beta bend(0), is not positive; "rl" has none there."""
    with np.errstate(divide="ignore"):
        bend = float(law.bend(np.zeros(1), shape)[0])
    return math.isfinite(bend) and alpha <= beta * bend


def _unfitted(law: Law, status: str = "too_few_points", n_points: int = 0) -> Fit:
    nan, dof = math.nan, max(n_points - law.parameters, 0)
    return Fit(law, law.shapes[0], nan, nan, np.full((2, 2), nan), nan, nan, status, n_points, dof, nan)
