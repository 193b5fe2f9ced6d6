"""When to stop optimising, seen from the proxy's side alone: rules that are never shown gold.

A rule is a pure function of the columns `SEEN` of one curve, in the order in which it was measured, and of one constant, and
returns the point at which to stop. `overopt.analysis.stopping_judged` fits the constant and says what the rule is worth.

Gao et al. 2022 ask for such a rule (section 4.1: KL penalties act like early stopping; when to stop is left to gold).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from jaxtyping import Bool, Float64

SEEN = ("n", "step", "kl", "proxy", "spread", "base_log_prob", "length", "entropy")
START_KL = 0.5  # nats: over so much of a curve the growth at its start is taken
RECENT = 3  # points: over so many the growth at a point is taken

Values = Float64[np.ndarray, " points"]
Seen = Mapping[
    str, Values
]  # the columns of one curve; nan where nothing is known, as no comparison is true there
First = Callable[[Seen, float], Bool[np.ndarray, " points"]]


@dataclass(frozen=True)
class Rule:
    """name; says: in words, with the constant as {}; needs: the column it looks at, besides KL; tries: constants to fit by.

    first: where the rule would stop, by the curve and the constant; the first such point is where it does.
    """

    name: str
    says: str
    needs: str
    tries: tuple[float, ...] = field(repr=False)
    first: First = field(repr=False)

    def stop(self, curve: Seen, constant: float) -> int:
        """The point of the curve at which to stop; the last if nothing says so.

        >>> curve = seen(pl.DataFrame({"kl": [0.0, 1.0, 4.0, 9.0], "proxy": [0.0, 1.0, 2.0, 3.0]}))
        >>> RULES["kl"].stop(curve, 5.0)  # the last point that a budget of 5 nats pays for
        2
        """
        stops = self.first(curve, constant)
        return int(stops.argmax()) if stops.any() else len(stops) - 1

    def knows(self, curve: Seen) -> bool:
        """Whether the curve has what the rule looks at, at two points or more."""
        return self.needs in curve and int(np.isfinite(curve[self.needs]).sum()) > 1


def seen(curve: pl.DataFrame) -> dict[str, Values]:
    """What a rule may know of a curve, whose rows are in the order in which it was measured: never a column of gold's.

    >>> sorted(seen(pl.DataFrame({"kl": [0.0], "proxy": [0.0], "gold": [1.0], "rating": [1.0]})))
    ['kl', 'proxy']
    """
    known = (name for name in SEEN if name in curve.columns)
    return {name: curve[name].cast(pl.Float64).fill_null(np.nan).to_numpy().copy() for name in known}


def growth(way: Values, proxy: Values) -> tuple[float, Values]:
    """Growth of the proxy a unit of `way` (nats, or sqrt(nats)): at the start, and over the last `RECENT` points at each.

    nan before the start is over, and where the way did not get longer. The start ends at the first of `START_KL` nats: the
    caller cuts there, see `_slow`.

    >>> start, each = growth(np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.0, 2.0, 3.0, 3.0]))
    >>> start, each.round(2).tolist()
    (2.0, [nan, nan, 1.5, 0.5])
    """
    each = np.full(len(way), np.nan)
    for k in range(RECENT - 1, len(way)):
        there, scores = way[k - RECENT + 1 : k + 1], proxy[k - RECENT + 1 : k + 1]
        off = there - there.mean()
        if off[-1] > 1e-9:  # a run that stands still tells no growth
            each[k] = (off @ scores) / (off @ off)
    start = (proxy[1] - proxy[0]) / (way[1] - way[0]) if len(way) > 1 and way[1] > way[0] else np.nan
    return float(start), each


def _slow(power: float) -> First:
    def first(curve: Seen, share: float) -> Bool[np.ndarray, " points"]:
        kl, proxy = curve["kl"], curve["proxy"]
        over = np.flatnonzero(kl >= START_KL)
        if not len(over):
            return np.zeros(len(kl), dtype=bool)
        begin = int(over[0])
        points = np.r_[0, begin : len(kl)]
        start, each = growth(kl[points] ** power, proxy[points])
        stops = np.zeros(len(kl), dtype=bool)
        # nan compares as False: no growth is known there; a proxy that does not rise from its start is left at once
        stops[points] = each < share * start if start > 0 else True
        return stops

    return first


def _budget(curve: Seen, nats: float) -> Bool[np.ndarray, " points"]:
    beyond = curve["kl"] > nats
    return np.r_[beyond[1:], True]  # stops at the last point before the first beyond


def _above_start(column: str) -> First:
    def first(curve: Seen, times: float) -> Bool[np.ndarray, " points"]:
        values = curve[column]
        return values > times * _start(values)

    return first


def _below_start(column: str) -> First:
    def first(curve: Seen, share: float) -> Bool[np.ndarray, " points"]:
        values = curve[column]
        return values < share * _start(values)

    return first


def _less_likely(curve: Seen, nats: float) -> Bool[np.ndarray, " points"]:
    values = curve["base_log_prob"]
    return values < _start(values) - nats


def _other_length(curve: Seen, share: float) -> Bool[np.ndarray, " points"]:
    values = curve["length"]
    return np.abs(values / _start(values) - 1) > share


def _start(values: Values) -> float:
    """The first value that is known."""
    return float(values[np.isfinite(values)][0])


def _between(low: float, high: float) -> tuple[float, ...]:
    """Constants that a rule is fitted by, evenly in their logarithm."""
    return tuple(float(f"{value:.3g}") for value in np.geomspace(low, high, 40))


_NATS, _SHARES = _between(0.25, 128.0), _between(0.02, 2.0)

RULES = {
    rule.name: rule
    for rule in (
        Rule("end", "never stop", "kl", (0.0,), lambda curve, _: np.zeros(len(curve["kl"]), dtype=bool)),
        Rule("kl", "at {} nats", "kl", _NATS, _budget),
        Rule("growth a nat", "the proxy grows by under {} of its start a nat", "proxy", _SHARES, _slow(1.0)),
        Rule(
            "growth a √nat", "the proxy grows by under {} of its start a √nat", "proxy", _SHARES, _slow(0.5)
        ),
        Rule(
            "spread",
            "proxies of other seeds differ by over {} times as much as at the start",
            "spread",
            _between(1.02, 8.0),
            _above_start("spread"),
        ),
        Rule(
            "base likelihood",
            "completions are over {} nats less likely under the base policy than its own",
            "base_log_prob",
            _NATS,
            _less_likely,
        ),
        Rule(
            "length",
            "the length of completions is off its start by over {} of it",
            "length",
            _between(0.01, 1.0),
            _other_length,
        ),
        Rule(
            "entropy",
            "entropy is under {} of its start",
            "entropy",
            tuple(1 - off for off in _between(0.005, 0.9)),
            _below_start("entropy"),
        ),
    )
}
