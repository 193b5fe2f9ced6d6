"""Claims about methods and KL penalties: RL beside best-of-n, and how KL grows."""

import math
from dataclasses import replace

import numpy as np
import polars as pl

from overopt.analysis.averages import NAMES, advancing, at_places, present
from overopt.analysis.claims.claim import claim
from overopt.analysis.claims.data import part_name
from overopt.analysis.claims.outcome import (
    JOINTLY,
    Outcome,
    above,
    around_zero,
    below,
    by_interval,
    fraction,
    jointly,
    not_measured,
)
from overopt.analysis.evidence import Evidence, Slice
from overopt.analysis.misfits import Square, rises, root, square
from overopt.analysis.resampled import Resampled, interval, over_groups
from overopt.util.words import with_interval

SAME = 0.15  # SDs: a difference in gold that counts as none
MATCHED = 0.1  # difference in length, as a share, up to which texts count as equally long
QUADRATIC = (1.5, 2.5)  # exponents of KL against steps that count as quadratic
EARLIEST = 0.05  # KL (nats) that growth is measured from
LEVEL = 0.8  # share of the lower of two highest golds at which KL is compared
MORE_KL = 1.5  # ratio of KL from which one method spends far more than another
LEVELS = 50  # of KL, or of proxy score, at which two methods are compared


@claim(
    12,
    "RL spends far more KL than best-of-n for the same gain.",
    rule=f"How much KL does each method need for {fraction(LEVEL)} of the lower of the two peaks? Measured is PPO's KL "
    "divided by that of best-of-n, median over the sizes whose gold surely rises by both. Holds: the interval lies above "
    f"{MORE_KL}; does not hold: below.",
    figure="07_kl_efficiency.html#fig-kl-for-gold",
)
def rl_spends_more(evidence: Evidence) -> Outcome:
    """For the same gain, RL spends more KL than best-of-n."""
    sizes, ratios = evidence.sizes, []
    if not (sizes.has("bon", 1) and sizes.has("ppo", 1)):
        return not_measured("both methods")
    for size in sizes.values("ppo"):
        bon, ppo = (sizes.drawn(method, size) for method in NAMES)
        if rises(bon) and rises(ppo):
            level = LEVEL * np.minimum(bon.draws.max(1), ppo.draws.max(1))
            ratios.append(kl_for_gold(ppo, level) / np.maximum(kl_for_gold(bon, level), 0.05))
    if not ratios:
        return not_measured("a rise in gold by both methods")
    by_size = np.stack(ratios)  # [sizes, draws]
    reached = ~np.isnan(by_size).all(0)  # draws in which some size got so far by both methods
    middle = np.nanmedian(by_size[:, reached], 0)
    words = (
        f"KL that PPO needs, divided by KL that best-of-n needs, for {LEVEL:.0%} of the lower of their highest golds, "
        f"median over the {len(ratios)} sizes whose gold surely rises by both"
    )
    return above(MORE_KL, float(np.median(middle)), interval(middle), words)


def kl_for_gold(curve: Resampled, levels: np.ndarray) -> np.ndarray:
    """For each draw, the KL at which gold first reaches the draw's level; nan where it never does."""
    reached = curve.draws >= levels[:, None]
    return np.where(reached.any(1), curve.kl[reached.argmax(1)], np.nan)


@claim(
    13,
    "By proxy score RL and best-of-n align better than by KL.",
    rule="Measured is the squared difference in gold between the methods at equal proxy score, minus that at equal KL. Both "
    "are beyond noise, mean over sizes. Holds: the interval lies below 0; does not hold: above.",
    figure="01_gold_vs_optimisation.html#fig-gold-proxy",
)
def proxy_aligns_methods(evidence: Evidence) -> Outcome:
    """At equal proxy score the methods differ less in gold than at equal KL."""
    sizes, apart, draws, near = evidence.sizes, [], [], []
    if not (sizes.has("bon", 3) and sizes.has("ppo", 3)):
        return not_measured("both methods against three sizes")
    for size in sizes.values("ppo"):
        by_score, by_kl = gap(sizes, size, "proxy"), gap(sizes, size, "kl")
        if by_score and by_kl:
            apart.append((by_score.value, by_kl.value))
            draws.append(by_score.draws - by_kl.draws)
            early = gap(sizes, size, "proxy", until=float(sizes.drawn("bon", size).kl.max()))
            near += [early.value] if early else []
    if len(apart) < 3:
        return not_measured("a range that both methods reach")
    score, kl = root(np.mean(apart, axis=0))
    words = f"gold of the two methods differs by {score:.2f} SDs (root mean square) at equal proxy score, and by {kl:.2f} "
    words += "SDs at equal KL; the first squared minus the second, SDs²"
    found = below(0, float(np.mean([a - b for a, b in apart])), interval(np.mean(draws, axis=0)), words)
    if not near:
        return found
    # the proxy hardly rises while gold falls: where PPO is far out, an equal score is no equal distance
    told = f" Up to the KL of best-of-n, it differs by {root(np.mean(near)):.2f} SDs at equal proxy score."
    return replace(found, measured=found.measured + told)


def gap(sizes: Slice, size: int, along: str, until: float = math.inf) -> Square | None:
    """Squared difference in gold between the methods over the KL, or the proxy's score, that both cover; None if none.

    until: KL (nats) beyond which no point counts.
    """
    golds, kls, levels = [], [], []
    for method in NAMES:
        gold, proxy = (sizes.drawn(method, size, score) for score in ("gold", "proxy"))
        rising = (proxy.mean >= np.maximum.accumulate(proxy.mean)) & (gold.kl <= until)
        golds.append(gold)
        kls.append(gold.kl[rising])
        levels.append(np.sqrt(gold.kl[rising]) if along == "kl" else proxy.mean[rising])
    start, end = max(level[0] for level in levels), min(level[-1] for level in levels)
    if not end > start:
        return None
    grid = np.linspace(start, end, LEVELS)
    places = [np.interp(grid, level, np.sqrt(kl)) ** 2 for level, kl in zip(levels, kls, strict=True)]
    (bon, bon_draws), (ppo, ppo_draws) = (gold.at(kl) for gold, kl in zip(golds, places, strict=True))
    return square(ppo - bon, ppo_draws - bon_draws)


@claim(
    14,
    "A KL penalty moves along the same frontier of gold and KL, like early stopping, and widens the gap.",
    rule="Penalised and unpenalised runs are compared at equal KL. Gold with a penalty minus gold without holds if its "
    f"interval lies within ±{SAME} SDs: once over all points, once over those where texts differ in length by at most "
    f"{MATCHED:.0%}. The same difference of the gap, proxy minus gold, holds if its interval lies above 0. {JOINTLY}",
    figure="04_kl_penalty.html#fig-penalty",
)
def penalty_is_early_stopping(evidence: Evidence) -> Outcome:
    """With a penalty, gold at the KL reached is that of the run without; the gap to the proxy is wider."""
    parts: list[Outcome] = []
    words = []
    for proxy in evidence.penalty_proxies:
        part = evidence.penalties(proxy)
        free = {score: part.drawn("ppo", 0.0, score) for score in ("gold", "proxy")}
        golds, gaps, alike = [], [], []
        for penalty in part.values("ppo")[1:]:
            held = {score: part.drawn("ppo", penalty, score, by_step=True) for score in free}
            # the second half of the steps: before it, the runs are hardly apart
            late = held["gold"].kl <= free["gold"].kl[-1]
            late[: len(late) // 2] = False
            if not late.any():
                continue
            kl = held["gold"].kl[late]
            apart = {score: held[score].draws[:, late] - free[score].at(kl)[1] for score in held}
            golds.append(apart["gold"].mean(1))
            gaps.append((apart["proxy"] - apart["gold"]).mean(1))
            matched = equally_long(part, penalty, len(late), late, kl)
            if matched.any():
                alike.append(apart["gold"][:, matched].mean(1))
        if not golds:
            continue
        gold, between = (np.mean(values, 0) for values in (golds, gaps))
        parts.append(around_zero(SAME, float(gold.mean()), interval(gold)))
        parts.append(above(0, float(between.mean()), interval(between)))
        if alike:
            matched_gold = np.mean(alike, 0)
            parts.append(around_zero(SAME, float(matched_gold.mean()), interval(matched_gold)))
            long = with_interval(float(matched_gold.mean()), *interval(matched_gold))
        else:
            parts.append(not_measured("penalised texts as long as others"))
            long = "no point to compare"
        words.append(
            f"proxy of {part_name(proxy)}: gold {with_interval(float(gold.mean()), *interval(gold))}, where texts are as "
            f"long {long}, proxy minus gold {with_interval(float(between.mean()), *interval(between))}"
        )
    if not parts:
        return not_measured("KL penalties")
    measured = "Penalised minus unpenalised PPO at equal KL, SDs; " + "; ".join(words) + "."
    return Outcome(jointly(parts), parts[0].statistic, parts[0].interval, measured)


def equally_long(part: Slice, penalty: float, points: int, late: np.ndarray, kl: np.ndarray) -> np.ndarray:
    """At which of the `late` of so many points of a penalised curve texts are as long as those without a penalty at `kl`."""
    runs = {
        held: part.curves.filter(pl.col("length").is_not_null(), method="ppo", kl_penalty=held).partition_by(
            "record"
        )
        for held in (penalty, 0.0)
    }
    if not (runs[penalty] and runs[0.0]):
        return np.zeros(len(kl), dtype=bool)
    by_step = [run.sort("step").with_columns(place=pl.col("step").cast(pl.Float64)) for run in runs[penalty]]
    last = min(run["place"][-1] for run in by_step)
    steps = np.linspace(0, last, points) if len(by_step) > 1 else by_step[0]["place"].to_numpy()
    held = at_places(by_step, "length", steps).mean(axis=0)[late]
    free_runs = [advancing(run) for run in runs[0.0]]
    there = present(free_runs, np.sqrt(kl))
    lengths = at_places(free_runs, "length", np.sqrt(kl))
    free = np.where(there, lengths, np.nan)
    shared = there.any(axis=0)
    mean = np.full(len(kl), math.inf)
    mean[shared] = np.nanmean(free[:, shared], axis=0)
    return np.abs(held - mean) <= MATCHED * mean


@claim(
    15,
    "Without a penalty KL grows about quadratically in RL steps.",
    rule=f"Exponent of KL against steps from {EARLIEST} nats to the highest gold, median over runs. Holds: the interval "
    f"lies between {QUADRATIC[0]} and {QUADRATIC[1]}; does not hold: outside.",
    figure="03_model_data_policy_scale.html#fig-kl-step",
)
def kl_is_quadratic(evidence: Evidence) -> Outcome:
    """Without a penalty KL grows about with the square of steps, up to the highest gold."""
    exponents = []
    for (_,), run in evidence.sizes.curves.filter(method="ppo").group_by("record", maintain_order=True):
        run = run.sort("step")
        top = int(run["gold"].arg_max() or 0)
        early = run[: max(top + 1, 4)].filter(pl.col("step") > 0, pl.col("kl") > EARLIEST)
        if early.height >= 3:
            exponents.append(float(np.polyfit(np.log(early["step"]), np.log(early["kl"]), 1)[0]))
    if len(exponents) < 3:
        return not_measured("three PPO runs")
    (value, (low, high)), (least, most) = over_groups(exponents, np.median), QUADRATIC
    words = f"exponent of KL against steps, from {EARLIEST} nats to the highest gold, median over runs"
    return by_interval(
        value, (low, high), words, holds=least < low and high < most, fails=high < least or low > most
    )
