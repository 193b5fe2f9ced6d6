"""The small picture of each claim that has curves or numbers to show: see `overopt.analysis.sketches`."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from overopt.analysis import figure_tables, goodhart
from overopt.analysis.averages import points
from overopt.analysis.evidence import Evidence
from overopt.analysis.fitted_laws import LAW_OF
from overopt.analysis.groups import SIZES
from overopt.analysis.known_worlds import PAPER, paper_accuracy
from overopt.analysis.predictions import line_of
from overopt.analysis.sketches import (
    GOLD,
    D,
    Line,
    Maker,
    Sketch,
    both_methods,
    curves,
    line,
    of_size,
    places,
    run,
)
from overopt.estimators.laws import Law
from overopt.estimators.rival_forms import RIVALS, fitted_until


def by_pairs(e: Evidence) -> Sketch | None:
    """Gold of best-of-n against distance, for the fewest, a middle number of, and the most pairs."""
    if not e.data_sizes:
        return None
    data = e.data_by_best_of_n(e.data_sizes[-1])
    here, paper = [], []
    for pairs, place in places(data.values("bon")).items():
        mean = data.of("bon").filter(pairs=pairs)
        d = mean["kl"].sqrt().to_numpy()
        here.append(line(d, mean["gold"], place))
        paper.append(line(d, PAPER.gold(run("bon", data=pairs / e.pairs), d), place))
    return Sketch(tuple(paper), tuple(here), f"{D}; colours: few to many pairs", GOLD)


def threshold(e: Evidence) -> Sketch | None:
    """Accuracy of the largest proxy that was trained on all numbers of pairs, against their logarithm."""
    if not e.data_sizes:
        return None
    grid = e.grid.filter(rm_params=e.data_sizes[-1])
    pairs = grid["pairs"].to_numpy()
    fine = np.geomspace(pairs[0], pairs[-1], 24)
    paper = [paper_accuracy(run("bon", data=share)) for share in fine / e.pairs]
    here = line(np.log10(pairs), grid["rm_accuracy"], dots=True)
    return Sketch((line(np.log10(fine), paper),), (here,), "pairs (log)", "accuracy of the proxy")


def robustness(e: Evidence) -> Sketch | None:
    """Gold at the largest n against validation loss, a dot a proxy size and number of pairs."""
    if e.grid.height < 4:
        return None
    n, sizes = float(e.grid["n_end"].max()), np.log(e.grid["rm_params"].to_numpy())  # type: ignore[arg-type]
    end = np.array([math.sqrt(math.log(n) - (n - 1) / n)])
    loss, gold = [], []
    for row, size in zip(e.grid.iter_rows(named=True), (sizes - sizes.min()) / np.ptp(sizes), strict=True):
        of = run("bon", size=float(size), data=row["pairs"] / e.pairs)
        loss.append(math.log(2) - (PAPER.accuracy(of) - 0.5) / 2)
        gold.append(float(PAPER.gold(of, end)[0]))
    ends = np.array([min(loss), max(loss)])
    here = line(e.grid["rm_loss"], e.grid["gold_end"], dots=True, joined=False)
    return Sketch(
        (line(ends, np.polyval(np.polyfit(loss, gold, 1), ends)),),
        (here,),
        "validation loss (nats a pair)",
        "gold at the largest n (SDs)",
    )


def repeated(e: Evidence) -> Sketch | None:
    """Gold at the largest n against pairs seen: unique pairs (solid), and the same pairs again (dashed)."""
    table = e.epochs
    if table.is_empty():
        return None
    n = float(e.grid["n_end"].max())  # type: ignore[arg-type]
    end = np.array([math.sqrt(math.log(n) - (n - 1) / n)])

    def paper(pairs: int, epochs: int) -> float:
        return float(PAPER.gold(run("bon", data=pairs / e.pairs, epochs=epochs), end)[0])

    once = table.filter(epochs=1)
    here = [line(once["pairs"].log10(), once["gold"], 0.0)]
    there = [line(once["pairs"].log10(), [paper(pairs, 1) for pairs in once["pairs"]], 0.0)]
    for part in table.partition_by("pairs", maintain_order=True):
        if part.height > 1:
            pairs = int(part["pairs"][0])
            seen = np.log10(part["pairs"] * part["epochs"])
            here.append(line(seen, part["gold"], dashed=True))
            there.append(line(seen, [paper(pairs, k) for k in part["epochs"]], dashed=True))
    return Sketch(
        tuple(there), tuple(here), "pairs seen (log); repeated dashed", "gold at the largest n (SDs)"
    )


def policies(e: Evidence) -> Sketch | None:
    """Gold of PPO against distance, from the smallest to the largest policy."""
    if not e.policy_proxies:
        return None
    found = e.policies(e.policy_proxies[-1])
    if not found.has("ppo"):
        return None
    here, paper = [], []
    for size, place in places(found.values("ppo")).items():
        mean = found.of("ppo").filter(policy_params=size)
        d = mean["kl"].sqrt().to_numpy()
        here.append(line(d, mean["gold"], place))
        paper.append(line(d, PAPER.gold(run("ppo", policy=size / e.policy_params), d), place))
    return Sketch(tuple(paper), tuple(here), f"{D}; colours: small to large policies", GOLD)


def penalties(e: Evidence) -> Sketch | None:
    """Gold of PPO against distance: without a penalty (solid), with the largest (dashed)."""
    if not e.penalty_proxies:
        return None
    found = e.penalties(e.penalty_proxies[-1])
    values = found.values("ppo")
    here, paper = [], []
    for penalty in (values[0], values[-1]):
        mean = found.of("ppo").filter(kl_penalty=penalty)
        d, dashed = mean["kl"].sqrt().to_numpy(), penalty > 0
        here.append(line(d, mean["gold"], float(dashed), dashed=dashed))
        free = np.sort(d)
        paper.append(line(free, PAPER.gold(run("ppo", penalty=penalty), free), float(dashed), dashed=dashed))
    return Sketch(tuple(paper), tuple(here), f"{D}; with a penalty dashed", GOLD)


def steps(e: Evidence) -> Sketch | None:
    """KL against steps of one run of PPO against the largest proxy, each as a share of its end."""
    if not e.sizes.has("ppo", 1):
        return None
    ppo = e.sizes.curves.filter(method="ppo", rm_params=e.sizes.values("ppo")[-1])
    one = ppo.filter(record=ppo["record"][0]).sort("step")
    step, kl = one["step"].to_numpy(), one["kl"].to_numpy()
    share = np.linspace(0, 1, 24)
    here = line(step / step[-1], kl / kl.max())
    return Sketch(
        (line(share, share**2),), (here,), "PPO step, share of the last", "KL, share of the largest"
    )


def beyond(e: Evidence) -> Sketch | None:
    """Gold of far best-of-n, and the law fitted to its near part (dashed)."""
    far = figure_tables.far_means(e)
    if far.is_empty():
        return None
    laws, here, paper = figure_tables.far_law_lines(e), [], []
    for size, place in places(SIZES.values(far)).items():
        mean, law = (table.filter(rm_params=size) for table in (far, laws))
        here.append(line(mean["kl"].sqrt(), mean["gold"], place, dots=True, joined=False))
        here.append(line(law["kl"].sqrt(), law["gold"], place, dashed=True))
        d = law["kl"].sqrt().to_numpy()
        gold = PAPER.gold(run("bon", size=place), d)
        paper += [line(d, gold, place, dashed=True), line(d[::4], gold[::4], place, dots=True, joined=False)]
    return Sketch(tuple(paper), tuple(here), f"{D}; dashed: the law, fitted to the near part", GOLD)


def forms(e: Evidence) -> Sketch | None:
    """Gold of PPO against the largest proxy, and two forms fitted to its start: the paper's (line), a rival (dashed)."""
    words = f"{D}; fitted to the start: line the paper's form, dashed a rival"
    return _with_laws(e, "gold", ((LAW_OF["ppo"], False), (RIVALS["log1p"], True)), line_of, words, GOLD)


def proxy_scores(e: Evidence) -> Sketch | None:
    """Proxy score of PPO against the largest proxy, and the law of gold fitted to it (dashed)."""
    laws, words = ((LAW_OF["ppo"], True),), f"{D}; dashed: the law"
    return _with_laws(e, "proxy", laws, np.max, words, "proxy score (SDs)")


def _with_laws(
    e: Evidence,
    score: str,
    laws: Sequence[tuple[Law, bool]],
    until: Callable[[np.ndarray], float],
    x: str,
    y: str,
) -> Sketch | None:
    """A score of PPO against the largest proxy as dots, and laws, dashed or not, fitted up to the KL (nats) `until` says."""
    if not e.sizes.has("ppo", 1):
        return None
    mean = e.sizes.of("ppo").filter(rm_params=e.sizes.values("ppo")[-1])
    kl, measured, se = points(mean, score)
    d, of = np.sqrt(kl), {"gold": PAPER.gold, "proxy": PAPER.proxy}[score]
    halves = []
    for values, error in ((of(run("ppo"), d), np.ones_like(d)), (measured, se)):
        found = [(fitted_until(law, kl, values, error, float(until(kl))), dashed) for law, dashed in laws]
        drawn = (line(d, predict(kl), dashed=dashed) for predict, dashed in found if predict)
        halves.append((line(d, values, dots=True, joined=False), *drawn))
    return Sketch(halves[0], halves[1], x, y)


def noise(_: Evidence) -> Sketch | None:
    """Simulated gold against distance under three variances of noise, and by the theory."""
    null = goodhart.null_curves()
    here: list[Line] = []
    paper: list[Line] = []
    for value, place in places(sorted(null["noise"].unique().to_list())).items():
        for what, lines in {"simulated": here, "proxy × slope": paper}.items():
            part = null.filter(noise=value, what=what)
            lines.append(line(part["kl"].sqrt(), part["gold"], place))
    return Sketch(tuple(paper), tuple(here), f"{D}; colours: little to much noise", GOLD, "the theory")


def rounds(e: Evidence) -> Sketch | None:
    """Gold at the end against rounds: as measured, and by the paper's formula with our coefficients."""
    ends = e.rounds
    if ends.is_empty():
        return None
    paper, here = (line(ends["rounds"], ends[name], dots=True) for name in ("predicted", "gold"))
    return Sketch((paper,), (here,), "rounds", "gold at the end (SDs)", "paper's formula")


OF: dict[int, Maker] = {
    1: curves("bon"),
    2: curves("ppo"),
    3: curves("bon", fitted=True),
    4: curves("ppo", fitted=True),
    5: of_size("bon", "alpha"),
    6: of_size("ppo", "alpha"),
    7: by_pairs,
    8: threshold,
    9: robustness,
    10: repeated,
    11: policies,
    12: both_methods("kl"),
    13: both_methods("proxy"),
    14: penalties,
    15: steps,
    16: beyond,
    17: forms,
    18: proxy_scores,
    19: noise,
    20: rounds,
}


def sketch(evidence: Evidence, claim: int) -> Sketch | None:
    """The small picture of a claim; None where it has none, or the study did not measure what it shows."""
    return OF[claim](evidence) if claim in OF else None
