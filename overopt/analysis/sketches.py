"""What a claim's card draws small: lines of the paper and lines of ours in the same units, as numbers.

The paper's lines are its laws with the coefficients of `laws_elsewhere.yaml`, or, where a claim is about more than those
say, `known_worlds.PAPER`: a world in which the claim is so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from overopt.analysis.evidence import Evidence
from overopt.analysis.known_worlds import PAPER, Run

MOST = 24  # points of a line: a small picture shows no more


@dataclass(frozen=True)
class Line:
    """x and y of a line; `place` 0 to 1 gives its colour, from small to large; its points may be dots, joined or not."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    place: float = 1.0
    dashed: bool = False
    dots: bool = False
    joined: bool = True


@dataclass(frozen=True)
class Sketch:
    """Lines of the paper and of ours, with what their axes are, in words and units; `source`: where the paper's are from."""

    paper: tuple[Line, ...]
    here: tuple[Line, ...]
    x: str
    y: str
    source: str = "as claimed"


Maker = Callable[[Evidence], Sketch | None]


def line(
    x: ArrayLike,
    y: ArrayLike,
    place: float = 1.0,
    *,
    dashed: bool = False,
    dots: bool = False,
    joined: bool = True,
) -> Line:
    """A line of at most `MOST` of the points that are numbers, both ends kept."""
    xs, ys = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    known = np.isfinite(xs) & np.isfinite(ys)
    xs, ys = xs[known], ys[known]
    if len(xs) > MOST:
        kept = np.linspace(0, len(xs) - 1, MOST).round().astype(int)
        xs, ys = xs[kept], ys[kept]
    return Line(tuple(xs.tolist()), tuple(ys.tolist()), place, dashed, dots, joined)


def places(values: list[Any]) -> dict[Any, float]:
    """The first, the middle and the last of some ordered values, with a place from 0 to 1.

    >>> places([1, 2, 3, 4, 5])
    {1: 0.0, 3: 0.5, 5: 1.0}
    >>> places([7])
    {7: 1.0}
    """
    if len(values) == 1:
        return {values[0]: 1.0}
    middle = (len(values) - 1) // 2
    return {values[0]: 0.0} | ({values[middle]: 0.5} if len(values) > 2 else {}) | {values[-1]: 1.0}


def run(method: str, **changes: float) -> Run:
    """A run of the largest proxy with all pairs, without a penalty, changed in some ways."""
    plain = {"size": 1.0, "policy": 1.0, "data": 1.0, "epochs": 1, "penalty": 0.0}
    return Run(method=method, gone=(), **(plain | changes))  # type: ignore[arg-type]


D, GOLD = "distance √KL (√nats)", "gold (SDs)"


LAWS = {"bon": "paper's law", "ppo": "paper's law, α ours"}  # of RL nobody read off alpha


def curves(method: str, *, fitted: bool = False) -> Maker:
    """Gold against distance of the smallest, the middle and the largest proxy; with `fitted` our laws beside the points.

    Without, best-of-n is drawn as far as far best-of-n went.
    """

    def make(e: Evidence) -> Sketch | None:
        if not e.sizes.has(method, 1):
            return None
        here, paper, laws = [], [], e.sizes.law_lines(method) if fitted else pl.DataFrame()
        sizes, means = e.sizes.values(method), e.sizes.of(method)
        if not fitted and method == "bon" and e.far:  # a far curve stands for the near one of its size
            far = e.far.mean
            means = pl.concat([far, means.join(far, on="rm_params", how="anti")], how="diagonal_relaxed")
        d = np.linspace(0, float(means["kl"].max()) ** 0.5, MOST)  # type: ignore[arg-type]
        for size, place in places(sizes).items():
            mean = means.filter(rm_params=size)
            here.append(line(mean["kl"].sqrt(), mean["gold"], place, dots=fitted, joined=not fitted))
            if fitted:
                law = laws.filter(rm_params=size)
                here.append(line(law["kl"].sqrt(), law["gold"], place, dashed=True))
            paper.append(line(d, PAPER.gold(run(method, size=place), d), place, dashed=fitted))
        return Sketch(tuple(paper), tuple(here), D, GOLD, LAWS[method])

    return make


def of_size(method: str, coefficient: str) -> Maker:
    """A coefficient against the logarithm of the proxy's size, from the smallest to the largest of each."""

    def make(e: Evidence) -> Sketch | None:
        if not e.sizes.has(method, 2):
            return None
        found = e.sizes.coefficients(method)
        logs = np.log10(found["rm_params"].to_numpy())
        here = line((logs - logs[0]) / np.ptp(logs), found[coefficient], dots=True)
        ends = np.array([0.0, 1.0])
        d = np.array([1.0])  # at d = 1 the RL law is alpha, and so is best-of-n's with beta added
        at_one = np.array([float(PAPER.gold(run(method, size=end), d)[0]) for end in ends])
        if method == "bon":
            half = np.array([float(PAPER.gold(run(method, size=end), d / 2)[0]) for end in ends])
            at_one = 4 * half - at_one  # alpha of d (alpha - beta d), from its values at 1 and 1/2
        return Sketch(
            (line(ends, at_one, dots=True),),
            (here,),
            "proxy size, from the smallest to the largest (log)",
            f"{'α' if coefficient == 'alpha' else 'β'} (SDs/√nat)",
            LAWS[method],
        )

    return make


def both_methods(against: str) -> Maker:
    """Gold of the largest proxy by best-of-n (solid) and PPO (dashed), against distance or the proxy's score."""

    def make(e: Evidence) -> Sketch | None:
        if not (e.sizes.has("bon", 1) and e.sizes.has("ppo", 1)):
            return None
        here, paper = [], []
        for method in ("bon", "ppo"):
            mean = e.sizes.of(method).filter(rm_params=e.sizes.values(method)[-1])
            d = mean["kl"].sqrt().to_numpy()
            dashed, of = method == "ppo", run(method)
            x = (d, d) if against == "kl" else (mean["proxy"].to_numpy(), PAPER.proxy(of, d))
            here.append(line(x[0], mean["gold"], dashed=dashed))
            paper.append(line(x[1], PAPER.gold(of, d), dashed=dashed))
        words = D if against == "kl" else "proxy score (SDs)"
        return Sketch(tuple(paper), tuple(here), f"{words}; best-of-n solid, PPO dashed", GOLD)

    return make
