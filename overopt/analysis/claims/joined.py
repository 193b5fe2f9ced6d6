"""Claims about several proxies made into one: do they end overoptimisation, and what do they gain?"""

from overopt.analysis.claims.elsewhere import (
    CHOSEN_ELSEWHERE,
    FALL,
    absent,
    falls,
    known,
    method_claim,
    told,
)
from overopt.analysis.claims.outcome import JOINTLY, Outcome, above, below, jointly
from overopt.analysis.evidence import Evidence
from overopt.analysis.held_out import HeldOut, drawn, held_out, paired
from overopt.analysis.method_runs import Method, MethodRuns
from overopt.analysis.resampled import interval
from overopt.util.words import with_interval

GAIN = 0.1  # of the single proxies' highest gold: what counts as a gain
COST = 0.15  # SDs that count as none
LITTLE = 0.05  # SDs: a difference between two ways to join that counts as none
CONSERVATIVE = ("worst", "variance")
COSTE = "[Coste et al. 2023](https://arxiv.org/abs/2310.02743)"
RAME = "[Ramé et al. 2024](https://arxiv.org/abs/2401.12187)"


def conservative(method: Method) -> bool:
    """Whether proxies are joined so that they must agree: by the worst score, or the mean minus their variance."""
    return method.ensemble.startswith(CONSERVATIVE)


@method_claim(
    "A",
    "Conservative ensembles end overoptimisation of best-of-n and raise its gold.",
    theirs="Overoptimisation is practically gone, and gold higher by up to 70%; with a quarter of the labels flipped by "
    "up to 75%.",
    source=COSTE,
    rule=f"By share of flipped labels, of ensembles by the worst score or by variance. Where gold of single proxies "
    f"surely falls by {FALL} SDs from its highest to the largest n: that of ensembles by less. At the largest n, "
    f"ensembles minus their members, over the members' highest gold: interval above {GAIN:.0%}. {JOINTLY} "
    f"{CHOSEN_ELSEWHERE}",
)
def ensembles_end_it_in_best_of_n(evidence: Evidence) -> Outcome:
    """Best-of-n by an ensemble does not fall where that by one of its members does, and ends higher."""
    runs, parts, words = evidence.method_runs, [], []
    for noise in runs.noises():
        ensembles = runs.of(lambda m: m.method == "bon" and conservative(m), noise)
        joined, last = held_out(ensembles), held_out(ensembles, aim="end")
        single = held_out(runs.plain("bon", noise))
        if not (joined and last and single):
            continue
        higher = paired(last, single, "end")
        if higher is None:
            continue
        fall = known(joined.fall())
        (top, tops), (gain, gains) = drawn(single.gold), drawn(higher)
        share, shares = gain / top, interval(gains / tops)
        ended = below(FALL, *fall) if falls(single) else Outcome("cannot tell", *fall, "")
        parts += [above(GAIN, share, shares), ended]
        gained = with_interval(100 * share, 100 * shares[0], 100 * shares[1], 0)
        words.append(
            f"{noise:.0%} flipped: gain {gained}% of {top:.2f} SDs, fall "
            f"{with_interval(fall[0], *fall[1])} SDs, of single proxies {told(single.fall())}"
            f"{_more_labels(evidence, noise, last)}"
        )
    if not parts:
        return absent("best-of-n by conservative ensembles")
    return Outcome(jointly(parts), parts[0].statistic, parts[0].interval, "; ".join(words) + ".")


def _more_labels(evidence: Evidence, noise: float, joined: HeldOut) -> str:
    """What one proxy with more pairs comes to at the largest n: members have pairs of their own, and labels alone help."""
    runs = evidence.method_runs
    like = evidence.results.curves.filter(
        method="bon", rm_params=runs.rm_params, label_noise=noise, ensemble="single"
    )
    most = max(like["pairs"].to_list(), default=0)
    if most <= runs.pairs:
        return ""
    larger = held_out(MethodRuns(evidence.results, runs.rm_params, most).plain("bon", noise))
    if larger is None:
        return ""
    ends = [told(found.end) for found in (joined, larger)]
    return f"; at the largest n ensembles have {ends[0]} SDs, one proxy with {most:,} pairs {ends[1]}"


@method_claim(
    "B",
    "With a small KL penalty, a conservative ensemble ends overoptimisation in PPO at no cost.",
    theirs="With a penalty of 0.01 overoptimisation of PPO ends, at no cost.",
    source=COSTE,
    rule=f"Of the smallest penalty that ensembles have, where gold of single proxies without a penalty surely falls by "
    f"{FALL} SDs: gold of ensembles falls by less; its end minus the single proxies' highest gold: interval above −{COST} "
    f"SDs. {JOINTLY} Where they do not fall, there is nothing to end, and it cannot be told. {CHOSEN_ELSEWHERE}",
)
def ensembles_end_it_in_ppo(evidence: Evidence) -> Outcome:
    """PPO by an ensemble with a small KL penalty does not fall where that by one proxy does, and ends as high."""
    runs = evidence.method_runs
    penalised = runs.of(lambda m: m.method == "ppo" and conservative(m) and m.penalised and not m.kind)
    least = min((variant.penalty for variant in penalised), default=0.0)
    joined = held_out([variant for variant in penalised if variant.penalty == least])
    single = held_out(runs.plain("ppo"))
    if not (joined and single):
        return absent("PPO by conservative ensembles with a KL penalty")
    fall = known(joined.fall())
    end, ends = drawn(joined.end)
    top, tops = drawn(single.gold)
    cost, costs = end - top, interval(ends - tops)
    words = (
        f"Penalty {least:g}: fall {with_interval(fall[0], *fall[1])} SDs, of single proxies without a penalty "
        f"{told(single.fall())}; end minus the single proxies' highest gold "
        f"{with_interval(cost, *costs)} SDs." + _penalty_alone(evidence, least, joined)
    )
    both = jointly([below(FALL, *fall), above(-COST, cost, costs)])
    return Outcome(both if falls(single) else "cannot tell", *fall, words)


def _penalty_alone(evidence: Evidence, penalty: float, joined: HeldOut) -> str:
    """What the same penalty does with one proxy, so that nothing is put down to joining that it does alone."""
    plain = evidence.method_runs.of(
        lambda m: m.method == "ppo" and m.ensemble == "single" and m.penalised and not m.kind
    )
    alone = held_out([variant for variant in plain if variant.penalty == penalty])
    apart = paired(joined, alone, "end") if alone else None
    if alone is None or apart is None:
        return ""
    return (
        f" The same penalty with one proxy: fall {told(alone.fall())} SDs; the end of ensembles minus "
        f"its end {told(apart)} SDs."
    )


@method_claim(
    "C",
    "One proxy with the mean of several proxies' weights reaches more gold than the mean of their scores.",
    theirs="More reliable under distribution shift and with inconsistent labels than averaged scores, at the cost of one "
    "model.",
    source=RAME,
    rule="By method and share of flipped labels: highest gold of averaged weights minus that of averaged scores. Holds: "
    f"the interval lies above 0; does not hold: below {LITTLE} SDs. {JOINTLY} {CHOSEN_ELSEWHERE}",
)
def averaged_weights_beat_scores(evidence: Evidence) -> Outcome:
    """The highest gold by averaged weights lies above that by averaged scores."""
    runs, parts, words = evidence.method_runs, [], []
    for name, called in {"bon": "best-of-n", "ppo": "PPO"}.items():
        for noise in runs.noises():
            weights, scores = (held_out(runs.joined(name, how, noise)) for how in ("weights", "mean"))
            apart = paired(weights, scores) if weights and scores else None
            if apart is None:
                continue
            value, ends = known(apart)
            won = above(0, value, ends)
            parts.append(won if won.verdict == "holds" else below_little(value, ends))
            words.append(f"{called}, {noise:.0%} flipped {with_interval(value, *ends)}")
    if not parts:
        return absent("averaged weights beside averaged scores")
    measured = f"Averaged weights minus averaged scores, SDs: {'; '.join(words)}."
    return Outcome(jointly(parts), parts[0].statistic, parts[0].interval, measured)


def below_little(value: float, ends: tuple[float, float]) -> Outcome:
    """No gain where the interval lies below `LITTLE`; else it cannot be told."""
    return Outcome("does not hold" if ends[1] < LITTLE else "cannot tell", value, ends, "")
