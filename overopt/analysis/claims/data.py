"""Claims about data, validation loss, epochs and policy size: what moves gold's curves, and what does not."""

import math

import numpy as np
import polars as pl

from overopt.analysis.claims.claim import claim
from overopt.analysis.claims.outcome import (
    JOINTLY,
    Outcome,
    Verdict,
    above,
    around_zero,
    below,
    fraction,
    jointly,
    not_measured,
)
from overopt.analysis.evidence import Evidence
from overopt.analysis.resampled import interval, slope_by_size
from overopt.estimators.uncertainty import rows_drawn
from overopt.util.words import capital, counted, short_number, with_interval

CHANCE = 0.05  # accuracy above one half up to which a proxy is near chance
LEARNED = 0.10  # accuracy above one half that shows that a proxy learned something
REPEATED = 0.5  # share of the gain of unique data that repeating must not reach
EQUAL_LOSS = 0.8  # share of the variance of gold that validation loss must explain
LEAST_PEAK = 0.1  # KL (nats): a peak before it is taken to be there
PEAKS_APART = 2  # factor between the KL of two peaks that counts as none


@claim(
    7,
    "More data, less overoptimisation.",
    rule="Each proxy size that was measured over the full range of pairs has two slopes against log pairs. That of gold at "
    "the largest n holds if its interval lies above 0. That of β/α of best-of-n, which says how soon gold bends, holds "
    f"if its interval lies below 0; only pairs that surely teach a proxy something (α above 0) count there. {JOINTLY}",
    figure="03_model_data_policy_scale.html#fig-data-bon",
)
def more_data_helps(evidence: Evidence) -> Outcome:
    """With more data gold at the largest n is higher, and bends later."""
    higher, later, words = [], [], []
    for size in evidence.data_sizes:
        part = evidence.data_by_best_of_n(size)
        counts = part.values("bon")
        curves = [part.drawn("bon", count) for count in counts]
        last = np.stack([curve.draws[:, -1] for curve in curves], 1)
        value, ends = slope_by_size(counts, [curve.mean[-1] for curve in curves], last)
        higher.append(above(0, value, ends))
        laws = {count: part.fits["bon", count] for count in counts}
        taught = {count: law for count, law in laws.items() if law.alpha[0] > 0}
        words.append(f"proxies of {part_name(size)}: gold at the largest n {with_interval(value, *ends)} SDs")
        if len(taught) < 3:
            later.append(not_measured("three numbers of pairs that teach"))
            continue
        fewest = min(len(law.coefficients) for law in taught.values())
        ratios = np.stack([law.coefficients[:fewest] for law in taught.values()])  # [counts, draws, 2]
        draws = (ratios[..., 1] / ratios[..., 0]).T
        value, ends = slope_by_size(
            list(taught), [law.fit.beta / law.fit.alpha for law in taught.values()], draws
        )
        later.append(below(0, value, ends))
        words[-1] += f", β/α {with_interval(value, *ends)}"
    if not higher:
        return not_measured("numbers of pairs")
    measured = "Change for ten times the pairs: " + "; ".join(words) + "."
    return Outcome(jointly(higher + later), higher[0].statistic, higher[0].interval, measured)


def part_name(size: int) -> str:
    """A number of parameters in words."""
    return f"{short_number(size)} parameters"


@claim(
    8,
    "Below a threshold of data every proxy is near chance.",
    rule=f"Accuracy of the best proxy of any size at the fewest pairs. Holds: surely below {0.5 + CHANCE:.2f}, and surely "
    f"above {0.5 + LEARNED:.2f} with the most pairs; does not hold: surely above {0.5 + CHANCE:.2f}.",
    figure="03_model_data_policy_scale.html#fig-loss-data",
)
def few_pairs_are_chance(evidence: Evidence) -> Outcome:
    """Under a threshold of data every proxy is near chance, above it none of the larger ones."""
    grid = evidence.grid
    if grid["pairs"].n_unique() < 3:
        return not_measured("numbers of pairs")
    best = grid.group_by("pairs").agg(pl.col("rm_accuracy").max()).sort("pairs")
    held_out = round(evidence.results.study.pairs.count * evidence.results.study.pairs.validation)
    half = 1.96 * 0.5 / math.sqrt(held_out)
    least = best.row(0, named=True)
    value = least["rm_accuracy"] - 0.5
    near = best.filter(pl.col("rm_accuracy") < 0.5 + CHANCE)
    words = (
        f"Accuracy above one half of the best proxy, of any size, at {least['pairs']:,} pairs: "
        f"{with_interval(value, value - half, value + half)}; "
        + (_say_threshold(grid, max(near["pairs"])) if near.height else "no such threshold")
        + f", the best reaches {max(best['rm_accuracy']):.2f} at {max(best['pairs']):,}."
    )
    above = max(best["rm_accuracy"]) - half > 0.5 + LEARNED
    verdict: Verdict = (
        "holds"
        if value + half < CHANCE and above
        else "does not hold"
        if value - half > CHANCE
        else "cannot tell"
    )
    return Outcome(verdict, value, (value - half, value + half), words)


def _say_threshold(grid: pl.DataFrame, pairs: int) -> str:
    """Up to how many pairs proxies are near chance, and how many sizes were trained on so few."""
    few, every = (cells["rm_params"].n_unique() for cells in (grid.filter(pairs=pairs), grid))
    sizes = "all sizes" if few == every else f"the {counted(few, 'size')} with so few"
    return f"near chance up to {pairs:,} pairs: {sizes}"


@claim(
    9,
    "Equal validation loss means about equal robustness.",
    rule="Share of the variance of gold at the largest n, over all sizes and numbers of pairs, that a parabola in "
    f"validation loss explains. Holds: the interval lies above {EQUAL_LOSS}; does not hold: below.",
    figure="03_model_data_policy_scale.html#fig-loss-gold",
)
def loss_tells_robustness(evidence: Evidence) -> Outcome:
    """Proxies of equal validation loss are equally robust, whatever their size and data."""
    grid = evidence.grid
    if grid.height < 10:
        return not_measured("ten cells of sizes and pairs")
    loss, gold = grid["rm_loss"].to_numpy(), grid["gold_end"].to_numpy()
    drawn = [explained(loss[rows], gold[rows]) for rows in rows_drawn(len(loss), draws=2000)]
    words = (
        "share of the variance of gold at the largest n, over sizes and pairs, that validation loss explains"
    )
    return above(EQUAL_LOSS, explained(loss, gold), interval(drawn), words)


def explained(loss: np.ndarray, gold: np.ndarray) -> float:
    """R squared of a parabola in the loss."""
    if len(np.unique(loss)) < 4 or np.ptp(gold) == 0:
        return math.nan
    residual = gold - np.polyval(np.polyfit(loss, gold, 2), loss)
    return float(1 - residual.var() / gold.var())


@claim(
    10,
    "Unique data matter, repeated epochs little.",
    rule="Repeating pairs reaches a share of what as many unique pairs gain in gold. It is taken over all comparisons "
    f"together, if that gain is surely above 0. Holds: the interval lies below {fraction(REPEATED)}; does not hold: above.",
    figure="03_model_data_policy_scale.html#fig-epochs",
)
def unique_beats_epochs(evidence: Evidence) -> Outcome:
    """Repeating pairs gains little of what as many unique pairs gain."""
    table = evidence.epochs
    if table.is_empty():
        return not_measured("several passes over the pairs")
    cells = {(row["pairs"], row["epochs"]): row for row in table.iter_rows(named=True)}
    compared = [
        ((pairs, epochs), (pairs * epochs, 1), (pairs, 1))
        for pairs, epochs in cells
        if epochs > 1 and {(pairs * epochs, 1), (pairs, 1)} <= set(cells)
    ]

    def weighted(repeated: float, unique: float, once: float) -> tuple[float, float]:
        """A sum over comparisons, and its error; a cell that stands in several counts as often."""
        weights = dict.fromkeys(cells, 0.0)
        for names in compared:
            for name, weight in zip(names, (repeated, unique, once), strict=True):
                weights[name] += weight
        total = sum(weight * cells[name]["gold"] for name, weight in weights.items())
        return total, math.hypot(
            *(weight * cells[name]["gold_se"] for name, weight in weights.items() if weight)
        )

    gain, gain_se = weighted(0.0, 1.0, -1.0) if compared else (0.0, 0.0)
    if not gain - 1.96 * gain_se > 0:
        return not_measured("a gain from unique pairs to compare with")
    share = weighted(1.0, 0.0, -1.0)[0] / gain
    half = 1.96 * weighted(1.0, -share, share - 1)[1] / gain
    words = f"share of the gain of unique pairs that repeating reaches, over {len(compared)} comparisons"
    return below(REPEATED, share, (share - half, share + half), words)


@claim(
    11,
    "A larger policy gains less from optimisation and overoptimises no more.",
    rule="The gain is the highest gold minus gold at the start. Its slope against log policy size holds if the interval "
    "lies below 0. The KL of the peak is compared between the largest and the smallest policy: it holds if the "
    f"interval of their ratio lies within a factor of {PEAKS_APART}. {JOINTLY}",
    figure="03_model_data_policy_scale.html#fig-policy-ppo",
)
def larger_policy(evidence: Evidence) -> Outcome:
    """A larger policy gains less, and its gold peaks at about the same KL."""
    gains, peaks, words = [], [], []
    for proxy in evidence.policy_proxies:
        part = evidence.policies(proxy)
        if not part.has("ppo", 3):
            continue
        sizes = part.values("ppo")
        curves = [part.drawn("ppo", size) for size in sizes]
        tops = [int(curve.mean.argmax()) for curve in curves]
        gain = [curve.mean[top] - curve.mean[0] for curve, top in zip(curves, tops, strict=True)]
        draws = np.stack([c.draws[:, top] - c.draws[:, 0] for c, top in zip(curves, tops, strict=True)], 1)
        value, ends = slope_by_size(sizes, gain, draws)
        gains.append(below(0, value, ends))
        smallest, largest = (np.maximum(curve.kl, LEAST_PEAK) for curve in (curves[0], curves[-1]))
        ratio = math.log(largest[tops[-1]] / smallest[tops[0]])
        drawn = np.log(largest[curves[-1].draws.argmax(1)] / smallest[curves[0].draws.argmax(1)])
        low, high = interval(drawn)
        peaks.append(around_zero(math.log(PEAKS_APART), ratio, (low, high)))
        words.append(
            f"proxy of {part_name(proxy)}: gain {with_interval(value, *ends)} SDs per factor of ten, "
            "peak KL of the largest over the smallest "
            f"{with_interval(math.exp(ratio), math.exp(low), math.exp(high))}"
        )
    if not gains:
        return not_measured("PPO of three policies")
    return Outcome(
        jointly(gains + peaks), gains[0].statistic, gains[0].interval, capital("; ".join(words)) + "."
    )
