"""Worlds whose answer is known: what gold and the proxy's score would be without noise, for every run of a study.

`overopt.analysis.simulated` adds a study's own noise to them, and every rule is tried on the tables that come of it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float64
from scipy.stats import norm

from overopt.analysis.laws_elsewhere import assumed_alpha_rl, of_pairs, paper_ends
from overopt.estimators.laws import LAWS

Distances = Float64[np.ndarray, " points"]

# from the smallest to the largest proxy of the paper: laws_elsewhere.yaml says where they come from
ALPHA_BON, BETA_BON, BETA_RL = (
    paper_ends("bon", "alpha"),
    paper_ends("bon", "beta"),
    paper_ends("ppo", "beta"),
)
# pairs, and alpha and beta of best-of-n with so many, in the replication that varied them
FEW_PAIRS, MANY_PAIRS = (500, *of_pairs(500)), (60_000, *of_pairs(60_000))
THRESHOLD = (
    2000 / 90_000
)  # share of the main number of pairs below which proxies are near chance (paper, section 3.2)
REPEATED = 0.1  # share of the gain of unique pairs that repeated pairs bring
POLICY = -0.25  # change of gold, as a share, for ten times the policy
WIDER = 0.25  # how much higher a penalty puts the proxy's score, as a share
CORRELATION = 0.4  # of proxy and gold in the regressional world
SLOPE = 0.35  # of gold in sqrt(nats) in the straight world
BON_PROXY, RL_PROXY = 0.8, 0.45  # slope of proxy scores at the start (SDs a sqrt(nat))
BEST_ACCURACY = 0.7  # of a proxy with all pairs, where pairs teach anything
CHANCE = 0.5


@dataclass(frozen=True)
class Run:
    """What a curve is of: see `overopt.analysis.curves.Curves`.

    size: place of the proxy's parameters between the smallest and the largest, 0 to 1, in log; policy: parameters over those
    of the main policy; data: pairs over the main number; gone: sqrt(KL) of the rounds before.
    """

    method: str
    size: float
    policy: float
    data: float
    epochs: int
    penalty: float
    gone: tuple[float, ...]


@dataclass(frozen=True)
class World:
    """says: what its gold is, in words; gold, proxy: mean scores (SDs) of a run at each distance sqrt(KL); accuracy: of
    its proxy; true: the numbers of the claims that are so there.
    """

    name: str
    says: str
    gold: Callable[[Run, Distances], Distances]
    proxy: Callable[[Run, Distances], Distances]
    accuracy: Callable[[Run], float]
    true: frozenset[int]


def learned(data: float) -> tuple[float, float]:
    """What alpha and beta are multiplied by where proxies see that share of the main number of pairs."""
    if data < THRESHOLD:
        return 0.0, 0.0
    (few, *low), (many, *high) = FEW_PAIRS, MANY_PAIRS
    decades = math.log10(many / few)
    return tuple(1 + math.log10(data) * (1 - a / b) / decades for a, b in zip(low, high, strict=True))  # type: ignore[return-value]


def paper_law(run: Run, d: Distances, data: float) -> Distances:
    """Gold of the paper's laws, at a share of the main number of pairs."""

    def between(ends: tuple[float, float]) -> float:
        return ends[0] + run.size * (ends[1] - ends[0])

    alpha, beta = (
        (between(ALPHA_BON), between(BETA_BON))
        if run.method == "bon"
        else (assumed_alpha_rl(), between(BETA_RL))
    )
    of_alpha, of_beta = learned(data)
    law = LAWS["bon" if run.method == "bon" else "rl"]
    gold = law.gold(d**2, alpha * of_alpha, beta * of_beta)
    return gold * (1 + POLICY * math.log10(run.policy))


def paper_gold(run: Run, d: Distances) -> Distances:
    """Laws with the paper's coefficients; repeated pairs bring little; rounds add; a penalty changes nothing."""
    gold = paper_law(run, d, run.data)
    unique = paper_law(run, d, run.data * run.epochs)
    rounds = sum((paper_law(run, np.array([gone]), run.data) for gone in run.gone), np.zeros(1))
    return rounds + gold + (REPEATED * (unique - gold) if run.epochs > 1 else 0.0)


def bent_proxy(run: Run, d: Distances) -> Distances:
    """Concave at first and then straight in d: neither law has that shape; higher with a penalty."""
    slope = BON_PROXY if run.method == "bon" else RL_PROXY
    score = slope * (0.6 * d + 0.4 * (1 - np.exp(-1.5 * d)))
    return score * (1 + WIDER * (run.penalty > 0)) * (run.data >= THRESHOLD)


def paper_accuracy(run: Run) -> float:
    """At chance below the threshold; above it, it rises with the logarithm of pairs."""
    if run.data < THRESHOLD:
        return CHANCE
    return CHANCE + (BEST_ACCURACY - CHANCE) * (1 + 0.5 * math.log10(run.data) + 0.2 * (run.size - 1))


@cache
def _highest() -> tuple[Distances, Distances]:
    """sqrt(KL) of best-of-n at n = 1, 2, 4 ... 2^17, and the expected highest of n normal scores."""
    ns = 2.0 ** np.arange(18)
    z = np.linspace(-9, 9, 20_001)
    # E[max] = integral of z d(Phi^n)
    density = ns[:, None] * np.exp((ns[:, None] - 1) * norm.logcdf(z) + norm.logpdf(z))
    return np.sqrt(np.log(ns) - (ns - 1) / ns), np.trapezoid(z * density, z, axis=1)


def normal_score(run: Run, d: Distances) -> Distances:
    """How far optimising a normal score moves it, in its SDs."""
    return np.interp(d, *_highest()) if run.method == "bon" else math.sqrt(2) * d


def regressional_gold(run: Run, d: Distances) -> Distances:
    """Proxy = gold + normal noise: gold is the proxy's score times their correlation, and never turns down."""
    rounds = sum(math.sqrt(2) * gone for gone in run.gone)
    return CORRELATION * learned(run.data)[0] * (normal_score(run, d) + rounds)


def straight_proxy(run: Run, d: Distances) -> Distances:
    """A straight line in d."""
    return (BON_PROXY if run.method == "bon" else RL_PROXY) * d


EVERY = frozenset(range(1, 21))
PAPER = World("paper", "the paper's laws and coefficients", paper_gold, bent_proxy, paper_accuracy, EVERY)
# a straight line is of both laws' form, with alpha the same for all; in every world KL grows with the square of steps
NULLS = (
    World(
        "noise in the proxy",
        f"proxy = gold + normal noise, correlation {CORRELATION}: no downturn",
        regressional_gold,
        lambda run, d: normal_score(run, d) * (run.data >= THRESHOLD),
        paper_accuracy,
        frozenset({3, 4, 6, 8, 9, 10, 13, 15, 16}),
    ),
    World(
        "straight line",
        f"gold is {SLOPE} d, whatever the proxy, its data and the policy",
        lambda run, d: SLOPE * (d + sum(run.gone)),
        straight_proxy,
        lambda _: (CHANCE + BEST_ACCURACY) / 2,
        frozenset({3, 4, 6, 15, 16}),
    ),
    World(
        "nothing",
        "gold and proxy do not move",
        lambda _, d: 0 * d,
        lambda _, d: 0 * d,
        lambda _: CHANCE,
        frozenset({15}),
    ),
)
