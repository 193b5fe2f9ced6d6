"""The two functional forms of gold reward, fitted to a measured curve.

With d = sqrt(KL(policy || base policy)), KL in nats, and gold reward R zero at the base policy:

    best-of-n  "bon"  R(d) = d (alpha - beta d)     peak at d* = alpha / (2 beta), height alpha^2 / (4 beta)
    RL         "rl"   R(d) = d (alpha - beta ln d)  peak at d* = exp(alpha/beta - 1), height beta d*

Both are linear in (alpha, beta), so that a fit is a weighted least squares without a starting point or local
optima. Gao et al. 2022, section 3.1. The fitting loss is not in the paper: it is our choice.

A fit always says by its `status` whether it may be trusted; `STATUSES` explains each.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64
from numpy.typing import ArrayLike
from scipy import stats

from overopt.arrays import LARGEST, as_floats
from overopt.errors import UserError

FORMS = ("bon", "rl")

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
class Fit:
    """Coefficients of one form with standard errors, its peak, and whether to trust them.

    alpha, beta and `peak_gold` are in the units of the gold given (per nat^1/2, per nat, and plain);
    `peak_kl` is in nats. What does not exist is nan: coefficients when there were too few points, the peak
    when the form has none. `n_points` counts the points used, those with kl > 0. `cov` is the covariance of
    alpha and beta, `dof` the degrees of freedom, `chi2_dof` the chi-square per degree of freedom (nan
    without standard errors of the points).
    """

    form: str
    alpha: float
    alpha_se: float
    beta: float
    beta_se: float
    peak_kl: float
    peak_gold: float
    status: str
    n_points: int
    cov: float
    dof: int
    chi2_dof: float

    def interval(self, coefficient: Literal["alpha", "beta"], level: float = 0.95) -> tuple[float, float]:
        """Confidence interval for independent, normal points: normal where the points came with standard
        errors, Student's t where the residuals had to tell the noise."""
        value, se = (self.alpha, self.alpha_se) if coefficient == "alpha" else (self.beta, self.beta_se)
        if math.isnan(self.chi2_dof):
            half = se * float(stats.t.ppf((1 + level) / 2, max(self.dof, 1)))
        else:
            half = se * float(stats.norm.ppf((1 + level) / 2))
        return value - half, value + half


def at_least_usual(gold_se: ArrayLike) -> Float64[np.ndarray, " points"] | None:
    """Standard errors to weigh points by: those below their median count as the median. None where that is 0.

    A standard error over prompts says how well a point is known, not how well a form ought to meet it. A collapsed
    policy answers every prompt alike: its small error must not pin the curve there.
    """
    se = np.asarray(gold_se, dtype=float)
    usual = float(np.median(se))
    return np.maximum(se, usual) if usual > 0 else None


def fit(kl: ArrayLike, gold: ArrayLike, *, form: str, gold_se: ArrayLike | None = None) -> Fit:
    """Fit one form to the points (`kl` in nats, `gold`) of a curve by weighted least squares.

    Gold is taken as it comes: subtract the base policy's mean before. Points at kl = 0 tell nothing about
    alpha and beta (both forms are 0 there whatever they are) and are left out.

    Without `gold_se` all points weigh the same and the residuals tell the noise. With it the weights are
    1/gold_se^2, and the covariance is multiplied by max(1, chi2/dof): points that scatter more than their
    standard errors say (seeds, a form that is only about right) widen the standard errors of alpha and beta;
    points that scatter less, as neighbours on a curve measured on the same samples do, do not narrow them.

    The standard errors suppose points with independent errors. The points of a best-of-n curve share their
    samples; for those take the intervals of `overopt.bootstrap`.

    Raises:
        UserError: (a ValueError) for an unknown form, arrays of different lengths or without values, an
            entry that is not finite, a negative kl, or a gold_se that is not positive where it is used.
    """
    check_form(form)
    kls, golds = as_floats("kl", kl, ("points",)), as_floats("gold", gold, ("points",))
    ses = None if gold_se is None else as_floats("gold_se", gold_se, ("points",))
    _check_points(kls, golds, ses)

    used = kls > 0
    n_points = int(used.sum())
    # KL values that differ by rounding only are one value.
    ordered = np.sort(kls[used])
    if n_points == 0 or 1 + (np.diff(ordered) > 1e-9 * ordered[1:]).sum() < 3:
        return _failed(form, "too_few_points", n_points)
    weights = np.ones(n_points) if ses is None else 1 / ses[used]  # square roots of the weights
    design, target = basis(form, kls[used]) * weights[:, None], golds[used] * weights
    coefficients, covariance, full_rank = solve(design, target)
    if not full_rank:
        return _failed(form, "underdetermined", n_points)

    residuals = target - design @ coefficients
    dof = n_points - 2
    scatter = float(residuals @ residuals) / dof
    covariance = covariance * (scatter if ses is None else max(1.0, scatter))
    alpha, beta = (float(value) for value in coefficients)
    beta_se = math.sqrt(covariance[1, 1])
    peak_kl, peak_gold = peak(form, alpha, beta)
    # Points exactly on a straight line leave a beta of either sign, by rounding.
    rounding = 1e-12 * abs(alpha) * np.abs(design[:, 0]).max() / np.abs(design[:, 1]).max()
    if abs(beta) <= max(_RESOLVED * beta_se, rounding):
        status = "underdetermined"
    elif _far_from_zero_at_start(kls, golds, ses):
        status = "not_centred"
    elif form == "bon" and alpha <= 0:
        status = "negative_slope"
    elif beta <= 0:
        status = "no_peak"
    elif not kls[used].min() <= peak_kl <= kls.max():  # True for the nan of a peak beyond float64
        status = "peak_outside"
    else:
        status = "ok"
    return Fit(
        form=form,
        alpha=alpha,
        alpha_se=math.sqrt(covariance[0, 0]),
        beta=beta,
        beta_se=beta_se,
        peak_kl=peak_kl,
        peak_gold=peak_gold,
        status=status,
        n_points=n_points,
        cov=float(covariance[0, 1]),
        dof=dof,
        chi2_dof=math.nan if ses is None else scatter,
    )


def predict(fit: Fit, kl: ArrayLike) -> Float64[np.ndarray, " points"]:
    """Gold reward of the fitted form at each `kl` (nats); 0 at kl = 0, nan where nothing was fitted.

    Raises:
        UserError: (a ValueError) if a kl is negative or not finite.
    """
    kls = as_floats("kl", kl, ("points",))
    check_kl(kls)
    return np.asarray(basis(fit.form, kls) @ np.array([fit.alpha, fit.beta]))


def peak(form: str, alpha: float, beta: float) -> tuple[float, float]:
    """KL (nats) and gold at the maximum of the form; nan, nan where it has none above d = 0.

    A peak too far out for a float (the RL form with beta barely positive) counts as none.
    """
    if form == "bon":
        if beta <= 0 or alpha <= 0:
            return math.nan, math.nan
        d = alpha / beta / 2
        height = alpha * d / 2
    else:
        if beta <= 0 or alpha / beta > 300:
            return math.nan, math.nan
        d = math.exp(alpha / beta - 1)
        height = beta * d
    if d > 1e150 or not math.isfinite(height):
        return math.nan, math.nan
    return d * d, height


def basis(form: str, kl: Float64[np.ndarray, "*batch points"]) -> Float64[np.ndarray, "*batch points 2"]:
    """What alpha and beta multiply: (d, -d^2) for "bon", (d, -d ln d) for "rl"; rows of zeros at kl = 0."""
    d = np.sqrt(kl)
    turn = d * d if form == "bon" else d * np.log(np.where(d > 0, d, 1.0))
    return np.stack([d, -turn], axis=-1)


def solve(
    design: Float64[np.ndarray, "*batch points 2"], target: Float64[np.ndarray, "*batch points"]
) -> tuple[Float64[np.ndarray, "*batch 2"], Float64[np.ndarray, "*batch 2 2"], Bool[np.ndarray, "*batch"]]:
    """Least squares by singular values: coefficients, (X'X)^-1, and whether the two columns differ.

    Batched, where numpy.linalg.lstsq is not, so that a bootstrap solves all its draws at once.
    """
    norms = np.sqrt((design**2).sum(axis=-2, keepdims=True))  # [*batch, 1, 2]: columns at unit length
    norms = np.where(norms > 0, norms, 1.0)
    # u [*batch, points, 2], s [*batch, 2], vt [*batch, 2, 2]
    u, s, vt = np.linalg.svd(design / norms, full_matrices=False)
    full_rank = s[..., -1] > 1e-7 * s[..., 0]
    inverse = 1 / np.where(full_rank[..., None], s, 1.0)
    half = np.swapaxes(vt, -1, -2) * inverse[..., None, :] / np.swapaxes(norms, -1, -2)  # [*batch, 2, 2]
    coefficients = (half @ (np.swapaxes(u, -1, -2) @ target[..., None]))[..., 0]
    return coefficients, half @ np.swapaxes(half, -1, -2), np.asarray(full_rank)


def check_form(form: str) -> None:
    """Raises: UserError if `form` is neither "bon" nor "rl"."""
    if form not in FORMS:
        raise UserError(f"form: found {form!r}, expected 'bon' or 'rl'")


def _check_points(
    kl: Float64[np.ndarray, " points"],
    gold: Float64[np.ndarray, " _"],
    gold_se: Float64[np.ndarray, " _"] | None,
) -> None:
    for name, values in (("gold", gold), ("gold_se", gold_se)):
        if values is not None and len(values) != len(kl):
            raise UserError(f"{name}: found {len(values)} values, expected {len(kl)}, one for each kl")
    check_kl(kl)
    if gold_se is not None:
        # Where kl is 0 no weight is made of it: a policy compared with itself may well have gold 0 +- 0.
        least = np.maximum(np.abs(gold), 1.0) / LARGEST  # below it the weight overflows
        bad = (gold_se < 0) | ((gold_se <= least) & (kl > 0))
        if bad.any():
            point = int(np.argmax(bad))
            raise UserError(f"gold_se: found {gold_se[point]} at point {point}, expected a number above 0")


def check_kl(kl: Float64[np.ndarray, " points"]) -> None:
    """Raises: UserError if a kl is negative."""
    if kl.min() < 0:
        point = int(np.argmin(kl))
        raise UserError(f"kl: found {kl[point]} at point {point}, expected nats, not negative")


def _far_from_zero_at_start(
    kl: Float64[np.ndarray, " points"],
    gold: Float64[np.ndarray, " points"],
    gold_se: Float64[np.ndarray, " points"] | None,
) -> bool:
    """Whether gold at kl = 0 is off 0 by over a tenth of the curve's range, and by four standard errors."""
    start = kl == 0
    if not start.any():
        return False
    offset = abs(float(gold[start].mean()))
    beyond_noise = gold_se is None or offset > 4 * float(gold_se[start].max())
    return beyond_noise and offset > 0.1 * float(np.ptp(gold))


def _failed(form: str, status: str, n_points: int) -> Fit:
    nan = math.nan
    return Fit(form, nan, nan, nan, nan, nan, nan, status, n_points, nan, max(n_points - 2, 0), nan)
