"""What a curve and its fitted law say of its shape, in one word: the words of the claims, the tables and the front page."""

import math
from collections import Counter

import polars as pl

from overopt.analysis.averages import NAMES
from overopt.analysis.evidence import Evidence
from overopt.analysis.misfits import falls, rises
from overopt.analysis.resampled import Resampled
from overopt.estimators.bootstrap import Bootstrap

SHAPES = {
    "turns": "gold surely rises, and at some point it surely lies above where it ends; no law is asked",
    "bends": "gold surely rises, and its law bends down (β's interval lies above 0); no fall is sure within the measured KL",
    "falls": "the law falls (β's interval lies above 0), and gold does not surely rise before",
    "straight": "no fall is sure, and β's interval holds 0: the curve cannot be told from a straight line in √KL",
    "steepens": "β's interval lies below 0: gold rises ever faster, and the law has no peak",
    "unfitted": "too little was measured for a law with an interval",
}
ALPHA = 0.025  # how often chance may show a fall where there is none, over all curves of one size together
DECADE = 10.0  # a peak is known where its interval's ends are not further apart than this factor


def known(peak_kl: tuple[float, float]) -> bool:
    """Whether the interval of a peak's KL (nats) is short enough to print: its ends lie within a factor of `DECADE`.

    >>> known((2.0, 8.0)), known((0.2, 223_571.9)), known((2.0, math.inf)), known((0.0, 0.1))
    (True, False, False, False)
    """
    low, high = peak_kl
    return low > 0 and high <= DECADE * low


def shape(law: Bootstrap, *, rising: bool, falling: bool) -> str:
    """The word of `SHAPES` for a law with intervals, of a curve that surely rises or not, and surely falls or not."""
    if rising and falling:
        return "turns"
    low, high = law.beta
    if math.isnan(low):
        return "unfitted"
    if low <= 0 <= high:
        return "straight"
    if high < 0:
        return "steepens"
    return "bends" if rising else "falls"


def reach(evidence: Evidence, method: str, size: int) -> float:
    """KL (nats) to which a proxy size was measured: by best-of-n, as far as far best-of-n went."""
    return max(float(curve.kl.max()) for curve in _measured(evidence, method, size))


def _measured(evidence: Evidence, method: str, size: int) -> list[Resampled]:
    """The curve of one method and proxy size; by best-of-n also the far one, where there is one."""
    far = evidence.far_drawn(size) if method == "bon" else None
    return [evidence.sizes.drawn(method, size), *([far] if far else [])]


def shape_of(evidence: Evidence, method: str, size: int) -> str:
    """The word of `SHAPES` for the curve of one method and proxy size, far best-of-n included."""
    curves = _measured(evidence, method, size)
    falling = any(falls(curve, 1 - ALPHA / len(curves)) for curve in curves)
    return shape(evidence.sizes.fits[method, size], rising=rises(curves[0]), falling=falling)


def shapes(evidence: Evidence, method: str) -> dict[int, str]:
    """The word of `SHAPES` for every proxy size of a method, smallest first; none where it was not measured."""
    if not evidence.sizes.has(method, 1):
        return {}
    return {size: shape_of(evidence, method, size) for size in evidence.sizes.values(method)}


def counted(words: dict[int, str]) -> dict[str, int]:
    """How many sizes have each shape, in the order of `SHAPES`.

    >>> counted({1_000: "straight", 7_000: "turns", 77_000: "straight"})
    {'turns': 1, 'straight': 2}
    """
    counts = Counter(words.values())
    return {word: counts[word] for word in SHAPES if counts[word]}


def peaks(evidence: Evidence) -> pl.DataFrame:
    """The law's peak of every curve that turns: `method, rm_params, known`, and `peak_kl, peak_gold` with `_low, _high`.

    `known`: the peak lies within what was measured, and its interval's ends differ by no more than a factor of `DECADE`.
    """
    parts = []
    for method in NAMES:
        turning = [size for size, word in shapes(evidence, method).items() if word == "turns"]
        if turning:
            found = evidence.sizes.coefficients(method).filter(pl.col("rm_params").is_in(turning))
            first = evidence.sizes.curves.filter(pl.col("kl") > 0, method=method)["kl"].min()
            ends = found.select("rm_params", "peak_kl_low", "peak_kl_high").rows()
            within = [
                known((low, high)) and high <= reach(evidence, method, size) for size, low, high in ends
            ]
            short = pl.Series("known", within)
            parts.append(found.with_columns(short & (pl.col("peak_kl") >= first), method=pl.lit(method)))
    return pl.concat(parts) if parts else pl.DataFrame(schema={"known": pl.Boolean})
