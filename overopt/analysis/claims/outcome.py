"""What a claim came to: a verdict, the number behind it with its interval, and that number in words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from overopt.util.words import with_interval

# "not measured" is said of claims on methods alone: of the paper's own such a verdict is "cannot tell"
Verdict = Literal["holds", "partly", "does not hold", "cannot tell", "not measured"]
Interval = tuple[float, float]

MOST, FEW = 0.75, 0.25  # shares of all curves
FRACTIONS = {0.25: "a quarter", 0.5: "one half", 0.75: "three quarters", 0.8: "four fifths"}


def fraction(share: float) -> str:
    """A share in words: three quarters; 60%."""
    return FRACTIONS.get(share, f"{share:.0%}")


@dataclass(frozen=True)
class Outcome:
    """`measured` says in words what `statistic` is, in its units; the interval holds 95% where it is one of draws."""

    verdict: Verdict
    statistic: float | None
    interval: Interval | None
    measured: str


def not_measured(what: str) -> Outcome:
    """Nothing in the study bears on the claim."""
    return Outcome("cannot tell", None, None, f"Not measured in this study: {what}.")


def by_interval(
    value: float, ends: Interval, measured: str = "", *, holds: bool, fails: bool, digits: int = 2
) -> Outcome:
    """The verdict where an interval decides: it holds, does not, or cannot be told."""
    verdict: Verdict = "holds" if holds else "does not hold" if fails else "cannot tell"
    return Outcome(verdict, value, ends, f"{measured}: {with_interval(value, *ends, digits)}.")


def above(threshold: int | float, value: float, ends: Interval, measured: str = "") -> Outcome:
    """Holds if the interval lies above the threshold; does not if it lies below."""
    low, high = ends
    return by_interval(value, ends, measured, holds=low > threshold, fails=high < threshold)


def below(threshold: int | float, value: float, ends: Interval, measured: str = "") -> Outcome:
    """Holds if the interval lies below the threshold; does not if it lies above."""
    low, high = ends
    return by_interval(value, ends, measured, holds=high < threshold, fails=low > threshold)


def around_zero(most: int | float, value: float, ends: Interval, measured: str = "") -> Outcome:
    """Holds if the interval lies within ±most; does not if it lies outside."""
    low, high = ends
    return by_interval(value, ends, measured, holds=max(-low, high) < most, fails=low > most or high < -most)


JOINTLY = (
    "Holds: all parts do; partly: some do; does not hold: none does, and one surely does not; cannot tell: no interval "
    "decides."
)


def jointly(parts: Sequence[Outcome]) -> Verdict:
    """The verdict of a claim with several parts, as `JOINTLY` says."""
    verdicts = [part.verdict for part in parts]
    if all(verdict == "holds" for verdict in verdicts):
        return "holds"
    if any(verdict in ("holds", "partly") for verdict in verdicts):
        return "partly"
    return "does not hold" if "does not hold" in verdicts else "cannot tell"


def finite(value: float | None) -> float | None:
    """The number, or None where JSON has no word for it."""
    return None if value is None or not math.isfinite(value) else float(value)
