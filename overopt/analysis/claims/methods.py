"""Claims about methods, KL penalties, noise and rounds: RL beside best-of-n, and what theory says."""

import math

import numpy as np
import polars as pl
from scipy.stats import gmean

from overopt.analysis import averages
from overopt.analysis.averages import NAMES
from overopt.analysis.claims.claim import claim
from overopt.analysis.claims.data import part_name
from overopt.analysis.claims.outcome import (
    JOINTLY,
    Outcome,
    Verdict,
    above,
    around_zero,
    below,
    by_interval,
    fraction,
    jointly,
    not_measured,
)
from overopt.analysis.evidence import Evidence
from overopt.analysis.goodhart import VARIANCES
from overopt.analysis.resampled import Resampled, interval, over_groups
from overopt.estimators.noise_alone import best_of_n_of_noisy
from overopt.estimators.uncertainty import standard_error
from overopt.util.words import number, with_interval

SAME = 0.15  # SDs: a difference in gold that counts as none
QUADRATIC = (1.5, 2.5)  # exponents of KL against steps that count as quadratic
EARLIEST = 0.05  # KL (nats) that growth is measured from
LEVEL = 0.8  # share of the lower of two highest golds at which KL is compared
MORE_KL = 1.5  # ratio of KL from which one method spends far more than another
CLOSE, OFF = 0.02, 0.05  # of a ratio from 1


@claim(
    12,
    "RL spends far more KL than best-of-n for the same gain.",
    rule=f"KL for {fraction(LEVEL)} of the lower of both peaks, PPO over best-of-n, median over sizes. Holds: the interval "
    f"lies above {MORE_KL}; does not hold: below.",
    figure="07_kl_efficiency.html#fig-kl-for-gold",
)
def rl_spends_more(evidence: Evidence) -> Outcome:
    """For the same gain, RL spends more KL than best-of-n."""
    sizes, ratios = evidence.sizes, []
    if not (sizes.has("bon", 1) and sizes.has("ppo", 1)):
        return not_measured("both methods")
    for size in sizes.values("ppo"):
        bon, ppo = (sizes.drawn(method, size) for method in NAMES)
        level = LEVEL * np.minimum(bon.draws.max(1), ppo.draws.max(1))
        ratios.append(kl_for_gold(ppo, level) / np.maximum(kl_for_gold(bon, level), 0.05))
    by_size = np.stack(ratios)  # [sizes, draws]
    reached = ~np.isnan(by_size).all(0)  # draws in which some size got so far by both methods
    if not reached.any():
        return not_measured("a rise in gold by both methods")
    middle = np.nanmedian(by_size[:, reached], 0)
    words = (
        f"KL that PPO needs over KL that best-of-n needs for {LEVEL:.0%} of the lower of their highest golds, "
        "median over sizes"
    )
    return above(MORE_KL, float(np.median(middle)), interval(middle), words)


def kl_for_gold(curve: Resampled, levels: np.ndarray) -> np.ndarray:
    """For each draw, the KL at which gold first reaches the draw's level; nan where it never does."""
    reached = curve.draws >= levels[:, None]
    return np.where(reached.any(1), curve.kl[reached.argmax(1)], np.nan)


@claim(
    13,
    "By proxy score RL and best-of-n align better than by KL.",
    rule="Difference in gold between the methods at equal proxy score over that at equal KL, geometric mean over "
    "sizes. Holds: the interval lies below 1; does not hold: above.",
    figure="01_gold_vs_optimisation.html#fig-gold-proxy",
)
def proxy_aligns_methods(evidence: Evidence) -> Outcome:
    """At equal proxy score the methods differ less in gold than at equal KL."""
    sizes, ratios = evidence.sizes, []
    if not (sizes.has("bon", 3) and sizes.has("ppo", 3)):
        return not_measured("both methods against three sizes")
    for size in sizes.values("ppo"):
        bon, ppo = (averages.whole(sizes.of(method)).filter(rm_params=size) for method in NAMES)
        rising = pl.col("proxy") >= pl.col("proxy").cum_max()
        gaps = [gap(bon, ppo, "kl"), gap(bon.filter(rising), ppo.filter(rising), "proxy")]
        if gaps[0] > 0 and gaps[1] >= 0:  # False for the nan of no common range
            ratios.append(max(gaps[1], 1e-6) / gaps[0])
    if len(ratios) < 3:
        return not_measured("a range that both methods reach")
    value, ends = over_groups(ratios, gmean)
    words = "difference in gold at equal proxy score over that at equal KL, geometric mean over sizes"
    return below(1, value, ends, words)


def gap(one: pl.DataFrame, other: pl.DataFrame, along: str) -> float:
    """Root mean square difference in gold between two curves over the range of `along` that both cover; nan if none."""
    start = max(float(one[along][0]), float(other[along][0]))
    end = min(float(one[along][-1]), float(other[along][-1]))
    if not end > start:
        return math.nan
    grid = np.linspace(start, end, 50)
    golds = [np.interp(grid, part[along].to_numpy(), part["gold"].to_numpy()) for part in (one, other)]
    return float(np.sqrt(((golds[0] - golds[1]) ** 2).mean()))


@claim(
    14,
    "A KL penalty moves along the same frontier of gold and KL, like early stopping, and widens the gap.",
    rule=f"Gold with a penalty less gold without, at equal KL: interval within ±{SAME} SDs; proxy less gold, the same "
    f"difference: interval above 0. {JOINTLY}",
    figure="04_kl_penalty.html#fig-penalty",
)
def penalty_is_early_stopping(evidence: Evidence) -> Outcome:
    """With a penalty, gold at the KL reached is that of the run without; the gap to the proxy is wider."""
    same, wider, words = [], [], []
    for proxy in evidence.penalty_proxies:
        part = evidence.penalties(proxy)
        free = {score: part.drawn("ppo", 0.0, score) for score in ("gold", "proxy")}
        golds, gaps = [], []
        for penalty in part.values("ppo")[1:]:
            held = {score: part.drawn("ppo", penalty, score, by_step=True) for score in free}
            # the second half of the steps: before it, the runs are hardly apart
            late = held["gold"].kl <= free["gold"].kl[-1]
            late[: len(late) // 2] = False
            if not late.any():
                continue
            kl = held["gold"].kl[late]
            apart = {score: (held[score].draws[:, late] - free[score].at(kl)[1]).mean(1) for score in held}
            golds.append(apart["gold"])
            gaps.append(apart["proxy"] - apart["gold"])
        if not golds:
            continue
        gold, between = (np.mean(values, 0) for values in (golds, gaps))
        same.append(around_zero(SAME, float(gold.mean()), interval(gold)))
        wider.append(above(0, float(between.mean()), interval(between)))
        words.append(
            f"proxy of {part_name(proxy)}: gold {with_interval(float(gold.mean()), *interval(gold))}, "
            f"proxy less gold {with_interval(float(between.mean()), *interval(between))}"
        )
    if not same:
        return not_measured("KL penalties")
    measured = "Penalised less unpenalised PPO at equal KL, SDs; " + "; ".join(words) + "."
    return Outcome(jointly(same + wider), same[0].statistic, same[0].interval, measured)


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


@claim(
    19,
    "Regressional Goodhart alone shrinks the slope by Var X / (Var X + Var Z) and brings no downturn.",
    rule="Simulated with normal gold X and noise Z of three variances: slope over the formula's. Holds: within "
    f"{CLOSE:.0%} of 1 and no curve turns down; does not hold: over {OFF:.0%} off.",
    figure="05_goodhart_and_implications.html#fig-null",
)
def regressional(evidence: Evidence, *, prompts: int = 4000, samples: int = 1024) -> Outcome:
    """With Gaussian gold and noise the slope shrinks by Var X / (Var X + Var Z), and gold never falls."""
    ratios, turned = [], 0
    for variance in VARIANCES:
        null = best_of_n_of_noisy(variance, prompts=prompts, samples=samples, seed=0)
        ratios.append((null.gold[-1] / null.proxy[-1]) * (1 + variance))
        steps = np.diff(null.gold)
        turned += int((steps < -2 * np.hypot(null.gold_se[1:], null.gold_se[:-1])).any())
    value, spread = (
        float(np.mean(ratios)),
        float(standard_error(ratios)) + 1.96 * null.gold_se[-1],
    )
    ends = (value - spread, value + spread)
    words = f"{turned} of {len(VARIANCES)} simulated curves turn down; slope of gold on proxy over Var X / (Var X + Var Z)"
    return by_interval(
        value, ends, words, holds=abs(value - 1) < CLOSE and not turned, fails=abs(value - 1) > OFF, digits=3
    )


@claim(
    20,
    "k rounds of RLHF of d/k each give d(α − β ln d + β ln k).",
    rule=f"Gold at the end less the formula's. Holds: within its interval or {SAME} SDs for every k; partly: every k ends "
    "surely above one round.",
    figure="05_goodhart_and_implications.html#fig-rounds",
)
def rounds_follow_the_formula(evidence: Evidence) -> Outcome:
    """After k rounds of d/k each, gold is d (alpha - beta ln d + beta ln k)."""
    table = evidence.rounds
    if table.is_empty() or table["rounds"].n_unique() < 2:
        return not_measured("rounds of RLHF")
    many = table.filter(pl.col("rounds") > 1)
    errors = (many["gold"] - many["predicted"]).to_numpy()
    worst = int(np.abs(errors).argmax())
    half = 1.96 * many["gold_se"].to_numpy()
    best = float(table.filter(rounds=1)["gold"][0])
    better = bool((many["gold"].to_numpy() - half > best).all())
    verdict: Verdict = (
        "holds" if (np.abs(errors) < np.fmax(half, SAME)).all() else "partly" if better else "does not hold"
    )
    words = "; ".join(
        f"{row['rounds']} rounds: gold {number(row['gold'])}, by the formula {number(row['predicted'])}"
        for row in many.iter_rows(named=True)
    )
    ends = (float(errors[worst] - half[worst]), float(errors[worst] + half[worst]))
    measured = f"One round: gold {number(best)}; {words} (SDs). "
    measured += f"The formula errs by up to {with_interval(float(errors[worst]), *ends)}."
    return Outcome(verdict, float(errors[worst]), ends, measured)
