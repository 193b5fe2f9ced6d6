"""What a reader's own curve shows: whether gold falls, turns or rises, where to stop, how far the law is from the points."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np
from scipy import special

from overopt.analysis.own_curves import OwnCurve
from overopt.estimators.best_of_n import best_of_n_kl

# Standard errors, of many prompts: that gold falls, and that it rises at all. The highest of several noisy points stands
# too high, which two standard errors would take for a fall.
FALL, GAIN = 3.0, 2.0
SURE = 0.975  # share of draws in which the law turns down, at least, to say that it does
MISFIT = 0.1  # of gold's range: root mean square distance of law and points, beyond noise


class Shape(Enum):
    """What gold does along the curve, in the order in which it is asked."""

    UNKNOWN = "fewer than three points above KL 0, or nothing that tells noise"
    HARMS = "gold surely lies below the start in the end, and nowhere surely above it"
    USELESS = "gold nowhere surely lies above the start"
    FALLS = "gold surely falls from its highest point to the last"
    TURNS = "the law fits and surely turns down inside what was measured, and the last point is lower by a standard error"
    LEVELS = "the law fits and surely turns down inside what was measured, and the last point does not say so"
    TURNS_LATER = "the law fits and surely turns down, and the peak may lie outside what was measured"
    RISES = "no downturn can be told from noise"


@dataclass(frozen=True)
class Stop:
    """Where to stop: KL (nats), and the gold to be expected there; by the law's peak or a measured point.

    point: the row of the curve's points that lies there, or nearest; by_law: whether the law says so.
    """

    kl: float
    gold: float
    point: int
    by_law: bool


@dataclass(frozen=True)
class Finding:
    """What is said of a curve. fall, fall_se: from the highest measured gold to the last, se nan where not known.

    enough: the row of the first point whose gold lies within one standard error of the highest. misfit: of the law, as a
    share of gold's range, nan where nothing was fitted.
    """

    shape: Shape
    top: int
    fall: float
    fall_se: float
    enough: int
    misfit: float
    stop: Stop


def found(curve: OwnCurve) -> Finding:
    """What a curve shows. Without standard errors a law's interval is all that tells noise."""
    gold, below, below_se = (curve.column(name) for name in ("gold", "below_top", "below_top_se"))
    top = int(gold.argmax())
    close = below <= np.nan_to_num(below_se, nan=0.0)
    shape, misfit = shape_of(curve), law_misfit(curve)
    return Finding(
        shape=shape,
        top=top,
        fall=float(below[-1]),
        fall_se=float(below_se[-1]),
        enough=int(close.argmax()),
        misfit=misfit,
        stop=_stop(curve, shape, top, misfit),
    )


def shape_of(curve: OwnCurve) -> Shape:
    """The first of `Shape` that is so."""
    kl, gold, se = (curve.column(name) for name in ("kl", "gold", "gold_se"))
    law, fall, fall_se = curve.law, curve.column("below_top")[-1], curve.column("below_top_se")[-1]
    known = not np.isnan(se).any()
    if law.fit.status == "too_few_points" or not (known or law.turns_down >= 0):
        return Shape.UNKNOWN
    gain = errors(curve, GAIN)
    if known and curve.start is not None and not (gold > gain * se)[kl > 0].any():
        return Shape.HARMS if gold[-1] < -gain * se[-1] else Shape.USELESS
    if known and fall > errors(curve, FALL) * fall_se:
        return Shape.FALLS
    if not law.turns_down >= SURE or law_misfit(curve) > MISFIT:
        return Shape.RISES
    if law.fit.status != "ok" or law.peak_kl[1] > curve.far:
        return Shape.TURNS_LATER
    # gold that only levels off bends the law down as well
    return Shape.TURNS if fall > np.nan_to_num(fall_se, nan=0.0) else Shape.LEVELS


def errors(curve: OwnCurve, of_many: float) -> float:
    """As many standard errors over the curve's prompts as are as sure as `of_many` over many prompts: Student's t."""
    if curve.prompts is None or curve.prompts < 2:
        return of_many
    return float(special.stdtrit(curve.prompts - 1, special.ndtr(of_many)))


def law_misfit(curve: OwnCurve) -> float:
    """Root mean square distance of points and law, minus what noise alone makes, as a share of gold's range (0 included)."""
    used = curve.column("kl") > 0
    gold, noise = curve.column("gold")[used], np.nan_to_num(curve.column("gold_se")[used], nan=0.0)
    if math.isnan(curve.law.fit.alpha):
        return math.nan
    squares = (gold - curve.law.fit.predict(curve.column("kl")[used])) ** 2 - noise**2
    spread = max(float(gold.max()), 0.0) - min(float(gold.min()), 0.0)
    return math.sqrt(max(float(squares.mean()), 0.0)) / spread if spread > 0 else math.nan


def trusted(curve: OwnCurve, misfit: float) -> bool:
    """Whether the law's peak may be used: inside what was measured, and of a law that fits."""
    return curve.law.fit.status == "ok" and misfit <= MISFIT


def n_of_kl(kl: float) -> int:
    """The n whose best-of-n is nearest to `kl` nats, by log n - (n - 1)/n.

    >>> [n_of_kl(kl) for kl in (0.0, 0.64, 5.91)]
    [1, 4, 1001]
    """
    low, high = 1, 2
    while best_of_n_kl(high) < kl:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if best_of_n_kl(middle) < kl else (low, middle)
    return min((low, high), key=lambda n: abs(best_of_n_kl(n) - kl))


def _stop(curve: OwnCurve, shape: Shape, top: int, misfit: float) -> Stop:
    kl, gold = curve.column("kl"), curve.column("gold")
    if shape in (Shape.HARMS, Shape.USELESS):
        first = int(kl.argmin())
        return Stop(float(kl[first]), float(gold[first]), first, by_law=False)
    if shape in (Shape.FALLS, Shape.TURNS) and trusted(curve, misfit):
        peak, height = curve.law.fit.peak_kl, curve.law.fit.peak_gold
        return Stop(peak, height, int(np.abs(np.sqrt(kl) - math.sqrt(peak)).argmin()), by_law=True)
    # where gold does not turn, the highest measured is as far as is known
    return Stop(float(kl[top]), float(gold[top]), top, by_law=False)
