"""Claims about where gold turns without a proxy, with softer best-of-n, and with a KL penalty."""

from dataclasses import replace

import numpy as np

from overopt.analysis.claims.elsewhere import (
    CHOSEN_ELSEWHERE,
    FALL,
    absent,
    falls,
    known,
    method_claim,
    told,
)
from overopt.analysis.claims.methods import SAME
from overopt.analysis.claims.outcome import JOINTLY, Outcome, above, below, by_interval, jointly
from overopt.analysis.claims.shape import FAIR
from overopt.analysis.evidence import Evidence
from overopt.analysis.fitted_laws import LAW_OF
from overopt.analysis.held_out import HeldOut, held_out, paired
from overopt.analysis.method_runs import DIRECT, WORDS
from overopt.analysis.misfits import relative_misfit, root
from overopt.analysis.resampled import interval, resampled
from overopt.util.words import with_interval

LOSS = 0.1  # SDs that count as nothing lost
ON_THE_WAY = 0.8  # of the KL at which penalised runs were stopped: all have come to so much
ADAPTIVE = "adaptive"  # what studies call a penalty that follows KL


@method_claim(
    "D",
    "Direct alignment overoptimises before its training ends, and its gold follows d(α − β ln d).",
    theirs="Quality falls over a wide range of KL budgets, and often before one epoch ends; RL's law fits, with KL for "
    "its distance.",
    source="[Rafailov et al. 2024](https://arxiv.org/abs/2406.02900)",
    rule=f"By loss, at its smallest β: gold falls from its highest to the end of training by more than {FALL} SDs, after as "
    f"many passes over the pairs as ours made, which are named where they are several; misfit of the law beyond noise, as "
    f"a share of gold's range: below {FAIR:.0%}. {JOINTLY} {CHOSEN_ELSEWHERE}",
)
def direct_alignment_overoptimises(evidence: Evidence) -> Outcome:
    """Gold of direct alignment falls before training ends, along RL's law."""
    runs, parts, words = evidence.method_runs, [], []
    for loss in DIRECT:
        tried = runs.plain_direct(loss)
        least = min((variant.penalty for variant in tried), default=0.0)
        widest = [variant for variant in tried if variant.penalty == least]
        found = held_out(widest)
        if not found:
            continue
        fall = known(found.fall())
        parts.append(above(FALL, *fall))
        words.append(f"{WORDS[loss]}, {widest[0].setting}: fall {with_interval(fall[0], *fall[1])} SDs")
        misfit = relative_misfit(resampled(widest[0].rows, runs.by_prompt), LAW_OF[loss])
        if misfit is None:
            parts.append(Outcome("cannot tell", None, None, ""))
            continue
        off, ends = float(root([misfit.value])[0]), interval(root(misfit.draws))
        parts.append(below(FAIR, off, ends))
        words[-1] += f", misfit {with_interval(off, *ends)}"
    if not parts:
        return absent("direct alignment")
    return Outcome(jointly(parts), parts[0].statistic, parts[0].interval, "; ".join(words) + ".")


@method_claim(
    "E",
    "Soft best-of-n at the right temperature loses nothing past best-of-n's peak.",
    theirs="There is a temperature, found with a little gold, that avoids what best-of-n loses with n.",
    source="[Khalaf et al. 2025](https://arxiv.org/abs/2506.19248)",
    rule=f"Where gold of best-of-n surely falls by {FALL} SDs from its highest to the largest n: gold of soft best-of-n "
    f"at the largest n, at the temperature best there, minus the highest of best-of-n. Holds: the interval lies above "
    f"−{LOSS} SDs; does not hold: below. {CHOSEN_ELSEWHERE}",
)
def tempering_loses_nothing(evidence: Evidence) -> Outcome:
    """At the largest n soft best-of-n keeps the highest gold that best-of-n had."""
    runs = evidence.method_runs
    soft = held_out(runs.of(lambda m: m.method == "soft_bon" and m.ensemble == "single"), aim="end")
    hard = held_out(runs.plain("bon"))
    if not (soft and hard):
        return absent("soft best-of-n")
    shared = [k for k in soft.seeds if k in hard.seeds]
    if not shared:
        return absent("soft best-of-n of proxies that best-of-n has")
    ends, tops = (
        np.array([values[found.seeds.index(k)] for k in shared])
        for found, values in ((soft, soft.end), (hard, hard.gold))
    )
    value, (low, high) = known(ends - tops)
    there = falls(hard)
    words = "soft best-of-n at the largest n minus best-of-n's highest gold, SDs"
    words += "" if there else " (best-of-n does not surely fall)"
    return by_interval(value, (low, high), words, holds=there and low > -LOSS, fails=there and high < -LOSS)


@method_claim(
    "F",
    "A KL penalty reaches no more gold than early stopping.",
    theirs="Along KL gold is the same with a penalty and without: it acts like stopping early.",
    source="[Gao et al. 2022](https://arxiv.org/abs/2210.10760)",
    rule="Highest gold of PPO with a KL penalty, the best that was tried, minus that of PPO without, stopped early. Holds: "
    f"the interval lies below {SAME} SDs; does not hold: above. {CHOSEN_ELSEWHERE}",
)
def penalty_is_no_better(evidence: Evidence) -> Outcome:
    """The highest gold with a penalty is at most that of early stopping."""
    runs = evidence.method_runs
    held = held_out(
        runs.of(
            lambda m: (
                m.method == "ppo"
                and m.ensemble == "single"
                and ((m.penalised and not m.kind) or m.kind == ADAPTIVE)
            )
        )
    )
    free = held_out(runs.plain("ppo"))
    apart = paired(held, free) if held and free else None
    if not (held and free) or apart is None:
        return absent("PPO with a KL penalty beside PPO without")
    found = below(SAME, *known(apart), "Penalised minus stopped early, highest gold, SDs")
    return replace(found, measured=f"{found.measured}{_on_the_way(held, free)}")


def _on_the_way(held: HeldOut, free: HeldOut) -> str:
    """Gold where runs with a penalty and without first came to the same KL: what the penalty adds comes later, or not."""
    kl = ON_THE_WAY * float(held.kl.mean())
    there = [run.at_kl(kl) for run in (held, free)]
    if not all(np.isfinite(gold).all() for gold in there):
        return ""
    with_it, without = map(told, there)
    return (
        f" On the way, where KL first came to {kl:.1f} nats, gold was {with_it} SDs with a penalty and {without} without. "
        "Runs with a penalty then hold their KL for the rest of their steps."
    )
