"""Claims that the paper derived: what noise alone does, and what rounds of RLHF add."""

import numpy as np
import polars as pl

from overopt.analysis.claims.claim import claim
from overopt.analysis.claims.outcome import Outcome, Verdict, by_interval, not_measured
from overopt.analysis.evidence import Evidence
from overopt.analysis.goodhart import VARIANCES
from overopt.estimators.noise_alone import best_of_n_of_noisy
from overopt.estimators.uncertainty import standard_error
from overopt.util.words import number, with_interval

CLOSE, OFF = 0.02, 0.05  # of a ratio from 1
ADDED = 0.5  # share of what rounds add, by the formula, by which gold may miss it


@claim(
    19,
    "Regressional Goodhart alone shrinks the slope by Var X / (Var X + Var Z) and brings no downturn.",
    rule="Gold X and noise Z are simulated as normal, with three variances of Z. Measured is the slope divided by the "
    f"formula's. Holds: within {CLOSE:.0%} of 1 and no curve turns down; does not hold: over {OFF:.0%} off.",
    figure="05_goodhart_and_implications.html#fig-null",
    check=True,
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
    words = f"{turned} of {len(VARIANCES)} simulated curves turn down; slope of gold on proxy, divided by "
    words += "Var X / (Var X + Var Z)"
    return by_interval(
        value, ends, words, holds=abs(value - 1) < CLOSE and not turned, fails=abs(value - 1) > OFF, digits=3
    )


@claim(
    20,
    "k rounds of RLHF of d/k each give d(α − β ln d + β ln k).",
    rule="The law of runs without rounds gives gold of one round of the same distance. Measured is what k rounds add to it, "
    "divided by the β d ln k of the formula, if that is surely above 0. Holds: the interval lies between "
    f"{1 - ADDED:g} and {1 + ADDED:g} for every k; partly: every k ends surely above one round, or, where no run without "
    "rounds came so far, above fewer rounds; does not hold: for some k the interval lies outside.",
    figure="05_goodhart_and_implications.html#fig-rounds",
)
def rounds_follow_the_formula(evidence: Evidence) -> Outcome:
    """After k rounds of d/k each, gold is d (alpha - beta ln d + beta ln k)."""
    table = evidence.rounds
    if table.is_empty():
        return not_measured("rounds of RLHF")
    many, once = table.filter(pl.col("rounds") > 1), table.filter(rounds=1)
    added = many["added"].to_numpy()
    shares = 1 + (many["gold"] - many["predicted"]).to_numpy() / added
    half = 1.96 * np.hypot(*(many[name].to_numpy() for name in ("gold_se", "predicted_se"))) / np.abs(added)
    sure = (added - 1.96 * many["added_se"].to_numpy() > 0).all()
    verdict: Verdict = "cannot tell"
    if sure and (np.abs(shares - 1) + half < ADDED).all():
        verdict = "holds"
    elif sure and (surely_above(many, once) if once.height else surely_above(many[1:], many[:-1])):
        verdict = "partly"
    elif sure and (np.abs(shares - 1) - half > ADDED).any():
        verdict = "does not hold"
    worst = int(np.abs(shares - 1).argmax())
    words = "; ".join(
        f"{row['rounds']} rounds: gold {number(row['gold'])}, by the formula {number(row['predicted'])}, of which rounds "
        f"add {number(row['added'])}"
        for row in many.iter_rows(named=True)
    )
    ends = (float(shares[worst] - half[worst]), float(shares[worst] + half[worst]))
    alone = (
        f"One round: gold {number(once['gold'][0])}" if once.height else "No run without rounds came so far"
    )
    measured = f"{alone}; {words} (SDs). "
    measured += f"Rounds add, of what the formula says, {with_interval(float(shares[worst]), *ends)} where it errs most."
    if not sure:
        measured += " What the formula adds is not surely above 0, so that share tells nothing."
    return Outcome(verdict, float(shares[worst]), ends, measured)


def surely_above(more: pl.DataFrame, fewer: pl.DataFrame) -> bool:
    """Whether gold of `more` rounds surely ends above that of `fewer`, row by row or above a single one; not of no row."""
    apart = 1.96 * np.hypot(more["gold_se"].to_numpy(), fewer["gold_se"].to_numpy())
    return bool(more.height and (more["gold"].to_numpy() - fewer["gold"].to_numpy() > apart).all())
