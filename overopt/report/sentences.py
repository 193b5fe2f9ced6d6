"""What the pages say of the measured curves, of gold, of noise and of the frontier: the wording follows the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from overopt.analysis.averages import NAMES
from overopt.analysis.evidence import Evidence
from overopt.analysis.frontier import WAYS, table
from overopt.analysis.results import Results
from overopt.util.words import capital, counted, duration, number, short_number, span

DISAGREE = 0.5  # SDs between gold and second gold beyond which one of them must be wrong


def say_seeds(curves: pl.DataFrame) -> str:
    """How many seeds stand behind the curves of each method, and so what their bands and intervals are over."""
    parts = []
    for method, name in NAMES.items():
        rows = curves.filter(method=method)
        if rows.height:
            counts = rows.group_by("rm_params").agg(pl.col("record").n_unique())["record"]
            low, high = int(counts.min()), int(counts.max())  # type: ignore[arg-type]
            over = (
                "prompts and seeds"
                if low > 1
                else "prompts alone"
                if high == 1
                else "prompts, and seeds where there are several"
            )
            parts.append(
                f"{name}: {span(str(low), str(high))} seed{'s' if high > 1 else ''} a proxy size, so bands are over {over}"
            )
    return capital("; ".join(parts)) + "."


def say_ppo_sweep(ranking: pl.DataFrame) -> str:
    """Which setting of PPO spends KL best by the rule, and whether it is the study's (`page_tables.ppo_sweep`)."""
    if ranking.is_empty():
        return "The study did not compare settings of PPO."
    best, run = ranking.row(0, named=True), ranking.filter("chosen").row(0, named=True)
    if best["efficiency"] is None:
        return "No efficiency is known: no run came to a level where the base policy's samples show the best policy."
    best_is = (
        f"Of {ranking.height} settings *{best['setting']}* spends its KL best, with an efficiency of "
        f"{number(best['efficiency'])}."
    )
    if run["setting"] == best["setting"]:
        return f"{best_is} The study's runs have this setting."
    return (
        f"{best_is} The study's runs do not follow the rule: they have *{run['setting']}*, with an efficiency of "
        f"{number(run['efficiency'])}."
    )


def say_plateaus(runs: pl.DataFrame) -> str:
    """In how many runs of PPO the proxy's score had stopped rising before the end, and where (`plateaus.plateaus`)."""
    level = runs.filter(pl.col("step").is_not_null())
    if level.is_empty():
        return f"In all {runs.height} runs the proxy's score rose to the end."
    share = np.median(level["step"] / level["last_step"])
    nats, last = (float(np.median(level[name])) for name in ("kl", "last_kl"))
    return (
        f"In {level.height} of {runs.height} runs the proxy's score had stopped rising before the end: in half of them by "
        f"{number(100 * float(share), 0)} % of their steps, and by {number(nats, 1)} of {number(last, 1)} nats. Advantages "
        "are whitened, so steps stay at full size where nothing is learned any more."
    )


def say_compute(record: Mapping[str, Any]) -> str:
    """How long the study took, and apart from that what came with the package took where it was made."""
    # tables that were made before stages were published do not say
    published = sum(cost["seconds"] for cost in record.get("published_costs", {}).values())
    beside = f" (and {duration(published)} where published stages were made)" if published else ""
    return f"{duration(record['seconds'])} of compute{beside}"


def say_source(results: Results) -> str:
    """Which study a number is of, how long that took, and its result."""
    record = results.record
    return f"Study `{results.study.name}`, {say_compute(record)}, result `{record['key'][:12]}`."


def rule_sentences(rates: pl.DataFrame, draws: int) -> dict[int, str]:
    """How often the rule of each claim is right in `draws` simulated studies of a kind: see `rule_power.rates`."""
    said = {}
    for row in rates.iter_rows(named=True):
        alarms = (
            ""
            if row["alarms"] is None
            else f" Where it is false it says *holds* in {row['alarms']:.0%} at most."
        )
        never = "" if row["power"] else " So it seldom says *holds*, even of a true claim."
        said[row["claim"]] = (
            f"*What it can tell.* In {draws} simulated studies like this one where the claim is true the rule says *holds* "
            f"in {row['power']:.0%} and *does not hold* in {row['refused']:.0%}.{never}{alarms}"
        )
    return said


def say_trend(values: pl.DataFrame, column: str, what: str, in_words: Callable[[float], str] = number) -> str:
    """Whether `column`, printed by `in_words`, rises from each proxy size to the next."""
    values = values.sort("rm_params")
    numbers, sizes = values[column].to_list(), [short_number(size) for size in values["rm_params"]]
    if len(numbers) < 2:
        return f"Only one proxy size was measured: nothing can be said about {what} and size."
    what = what[0].upper() + what[1:]
    steps = [after > before for before, after in pairwise(numbers)]
    ends = f"from {in_words(numbers[0])} ({sizes[0]} parameters) to {in_words(numbers[-1])} ({sizes[-1]})"
    top, low = (f(range(len(numbers)), key=numbers.__getitem__) for f in (max, min))
    for word, k in (("highest", top), ("lowest", low)):
        if k not in (0, len(numbers) - 1):
            ends += f", {word} {in_words(numbers[k])} ({sizes[k]})"
    if all(steps):
        return f"{what} rises with every step in proxy size, {ends}."
    if not any(steps):
        return f"{what} falls with every step in proxy size, {ends}."
    return f"{what} goes {ends}; in {sum(steps)} of {len(steps)} steps the larger proxy has more."


def say_reach(mean: pl.DataFrame) -> str:
    """The highest gold of each method over all proxy sizes, and the KL it took."""
    parts = []
    for method, name in NAMES.items():
        rows = mean.filter(method=method)
        if rows.height:
            top = rows.row(int(rows["gold"].arg_max() or 0), named=True)
            parts.append(
                f"{name} reaches {top['gold']:.2f} SDs of gold at {top['kl']:.1f} nats, "
                f"with the proxy of {short_number(top['rm_params'])} parameters"
            )
    return "At its best, " + "; ".join(parts) + "."


def say_proxies(proxies: pl.DataFrame) -> str:
    """Validation loss and accuracy against size, averaged over seeds."""
    mean = proxies.group_by("rm_params").agg(pl.col("rm_loss", "rm_accuracy").mean()).sort("rm_params")
    accuracy = say_trend(mean, "rm_accuracy", "accuracy", _percent)
    return f"{say_trend(mean, 'rm_loss', 'validation loss')} {accuracy}"


def _percent(share: float) -> str:
    return f"{number(100 * share, 0)}%"


def say_policy(policy: Mapping[str, Any] | None) -> str:
    """At which temperature the initial policy writes, and how that was found."""
    if policy is None:
        return "The initial policy is the language model as it was trained."
    likelier = "likelier" if policy["log_prob"] > policy["real_log_prob"] else "less likely"
    return (
        f"At temperature {policy['temperature']:.2f}, {policy['known']:.1%} of the words in its samples are known. In "
        f"real text {policy['real_known']:.1%} are. An independent model gives its samples {number(policy['log_prob'])} "
        f"nats a token, and real text {number(policy['real_log_prob'])}: its samples are {likelier} than real text."
    )


def _judged_twice(results: Results) -> pl.DataFrame:
    """Plain PPO runs against one proxy each, where a second gold judged them."""
    twice = pl.col("gold_second").is_not_null() & pl.col("setting").is_null()
    return results.curves.filter(twice, method="ppo", ensemble="single")


def say_second_gold(results: Results) -> str:
    """How far a second gold agrees with gold, on the initial policy and along PPO."""
    second = results.chain.get("second_gold")
    if not second:
        return "This study has no second gold to judge gold by."
    ppo = _judged_twice(results)
    late = ppo.filter(pl.col("kl") > 20)
    bon = results.curves.filter(pl.col("gold_second").is_not_null(), method="bon")
    sentence = (
        "Over samples of the initial policy the second gold's correlation with gold is "
        f"{second['correlation']:.2f} ({second['correlation_within_prompts']:.2f} within prompts)."
    )
    if bon.height:
        largest = int(bon["n"].max())  # type: ignore[arg-type]
        last = bon.filter(n=largest)
        gap = float((last["gold"] - last["gold_second"]).abs().mean())  # type: ignore[arg-type]
        sentence += f" Under best-of-n, at n = {largest:,}, the two differ by {gap:.2f} SDs on average."
    if late.height > 2:
        gap = float(np.abs((late["gold"] - late["gold_second"]).to_numpy()).mean())
        low = [100 * float((late[name] < 0).to_numpy().mean()) for name in ("gold_second", "gold")]
        sentence += (
            f" Beyond 20 nats of PPO the two differ by {gap:.2f} SDs on average. Of the points there, the second gold puts "
            f"{low[0]:.0f}% below 0, gold {low[1]:.0f}%."
        )
    return sentence + say_ends(results)


def say_ends(results: Results) -> str:
    """In how many PPO runs a second gold ends where gold does; nothing where there is none."""
    judged = _judged_twice(results)
    if judged.is_empty():
        return ""
    ends = judged.sort("step").group_by("record").last()
    near = int(((ends["gold"] - ends["gold_second"]).abs() <= DISAGREE).sum())
    others = "; in the others at least one of the two is wrong" if near < ends.height else ""
    return (
        f" Where PPO runs of any policy, proxy and penalty end, the two lie within {DISAGREE:g} SDs of each other in {near} "
        f"of {ends.height} runs{others}."
    )


def say_by_second(evidence: Evidence) -> str:
    """Whether a second gold sees the same rise and fall of PPO, where there is one."""
    if evidence.sizes_by_second is None:
        return ""
    return say_both(evidence.sizes.peaks("ppo"), evidence.sizes_by_second.peaks("ppo"))


def say_both(peaks: pl.DataFrame, second: pl.DataFrame) -> str:
    """Whether the highest points and the ends that a second gold sees are those of gold."""
    both = peaks.join(second, on="rm_params", suffix="_second")
    apart = both.filter((pl.col("end_gold") - pl.col("end_gold_second")).abs() > DISAGREE)
    low, high = (f(both["gold_second"]) for f in (min, max))
    sentence = (
        f" A second gold puts the highest point between {low:.2f} and {high:.2f} SDs. By its points alone, it sees a fall "
        f"for {sum(both['falls_second'])} of {both.height} sizes."
    )
    if apart.height:
        sentence += (
            f" Where the runs end, the two golds differ by more than {DISAGREE:g} SDs for {apart.height} of "
            f"{both.height} sizes. There at least one of the two is wrong, and gold's own curve may be."
        )
    return sentence


def say_words(gold: dict[str, Any]) -> str:
    """How much of gold's score word counts explain: the rest is what a proxy can get wrong."""
    share = 100 * max(0.0, gold["bag_of_words_r2"])
    return f"Word counts explain {share:.0f}% of its variance on the initial policy's samples."


def say_arrival(ends: pl.DataFrame) -> str:
    """Whether penalised runs part from early stopping on the way, or only while their KL stands still (`penalty_ends`)."""
    if ends.is_empty():
        return ""
    apart = {}
    for when in ("_first", ""):
        gain = ends[f"gold{when}"] - ends["gold_free"]
        error = (ends[f"gold_se{when}"] ** 2 + ends["gold_se_free"] ** 2).sqrt()
        apart[when] = sum(gain > 2 * error), f"by {number(min(gain))} to {number(max(gain))} SDs"
    (early, first), (late, last) = apart.values()
    stood = " What the end adds came while KL stood still." if late > early else ""
    return (
        f"Where KL first came so far, gold with a penalty lies above that of early stopping {first}: by more than two "
        f"standard errors for {early} of {ends.height} penalties. At the end it lies above {last}, so surely for {late}."
        f"{stood}"
    )


def say_losses(table: pl.DataFrame) -> str:
    """How the loss divides, for the smallest and the largest proxy, and how much more or less than noise alone all lose."""

    def of(row: dict[str, Any]) -> str:
        return (
            f"has a correlation of {row['correlation']:.2f}. With noise alone it would reach {row['null']:.2f}; it reaches "
            f"{row['gold']:.2f}."
        )

    least, most = (number(float(f(table["extremal"]))) for f in (min, max))
    largest = f" The largest proxy {of(table.row(-1, named=True))}" if table.height > 1 else ""
    return (
        f"Perfect selection reaches {table['perfect'][0]:.2f} SDs at the largest n. The smallest proxy "
        f"{of(table.row(0, named=True))}{largest} The extremal loss goes from {least} to {most} SDs over "
        f"{table.height} sizes; it has no interval."
    )


def say_rounds(e: Evidence) -> str:
    """What the second gold says of the ends of the rounds."""
    ends = e.rounds
    if ends.height < 2 or ends["gold_second"].is_nan().any():
        return ""
    words = [
        f"{counted(row['rounds'], 'round')}, gold {number(row['gold'])}, second gold "
        f"{number(row['gold_second'])}"
        for row in ends.iter_rows(named=True)
    ]
    gaps = (ends["gold"] - ends["gold_second"]).to_list()
    grows = gaps[-1] > gaps[0] + 0.2
    return (
        "At the end: "
        + "; ".join(words)
        + " (SDs). "
        + (
            "With more rounds the two differ more. Gold labels the pairs of every round, and so teaches the policy its own "
            "mistakes: do not trust what rounds gain by gold."
            if grows
            else "With more rounds the two do not clearly differ more."
        )
    )


def say_distance(e: Evidence) -> str:
    """How much of the frontier's proxy score each method reaches at equal KL."""
    found = table(e)
    if found.is_empty():
        return "The frontier could not be estimated: too few samples a prompt."
    parts = []
    for method in ("bon", "ppo"):
        known = found.filter(pl.col(f"proxy_{method}").is_not_nan())
        if known.height:
            shares = known[f"proxy_{method}"] / known["proxy_tilt"]
            low, mid, high = (100 * float(shares.quantile(q, "linear")) for q in (0.0, 0.5, 1.0))  # type: ignore[arg-type]
            sizes = known["rm_params"].n_unique()
            parts.append(
                f"{WAYS[method]} reaches {mid:.0f}% (from {low:.0f}% to {high:.0f}%, with {counted(sizes, 'proxy size')})"
            )
    return (
        f"The frontier is known at {min(found['kl']):g} to {max(found['kl']):g} nats. Of its proxy score at the KL of the "
        f"table below, {' and '.join(parts)} in the median."
    )
