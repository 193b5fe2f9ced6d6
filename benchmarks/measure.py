"""Two ways of doing one thing, measured in turn: A B A B, medians, and their ratio."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

Work = Callable[[], object]


@dataclass(frozen=True)
class Ratio:
    """How many times as fast `name` is as `against`, over rounds; `roofline_share`: of what its matrix products allow."""

    name: str
    against: str
    ratio: float
    ratio_min: float
    ratio_max: float
    target: float | None
    roofline_share: float | None
    seconds: float


def seconds(work: Work) -> float:
    """Wall-clock seconds of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def compare(
    name: str,
    against: str,
    ours: Work,
    theirs: Work,
    *,
    target: float | None,
    roofline: Work | None = None,
    rounds: int = 5,
) -> Ratio:
    """Measure `ours`, `theirs` and, if given, the matrix products alone, in turn, after one round to warm up."""
    works = [ours, theirs] + ([roofline] if roofline else [])
    for work in works:
        work()
    taken = [[seconds(work) for work in works] for _ in range(rounds)]
    ratios = [row[1] / row[0] for row in taken]
    middle = [median(column) for column in zip(*taken, strict=True)]
    return Ratio(
        name,
        against,
        round(median(ratios), 2),
        round(min(ratios), 2),
        round(max(ratios), 2),
        target,
        round(middle[2] / middle[0], 2) if roofline else None,
        round(middle[0], 4),
    )
