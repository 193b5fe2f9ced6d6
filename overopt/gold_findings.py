"""What the pages say of gold: how well it judges, and where a second gold says otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from overopt.results import Results

DISAGREE = 0.5  # SDs between gold and second gold beyond which one of them must be wrong


def say_gold(gold: dict[str, Any]) -> str:
    """How gold does on held-out data beside its baseline."""

    def shares(name: str, kinds: list[dict[str, Any]]) -> str:
        low, high = (f"{100 * f(kind[name] for kind in kinds):.0f}%" for f in (min, max))
        return low if low == high else f"{low} to {high}"

    human, *spoilt = gold["pairs"]
    sentences = [
        f"Gold puts {shares('accuracy', [human])} of held-out human-rated pairs in the right order "
        f"(a linear TF-IDF baseline: {shares('baseline', [human])})."
    ]
    if spoilt:
        sentences.append(
            f"On pairs of real and spoilt text, of {len(spoilt)} kinds, it is right in "
            f"{shares('accuracy', spoilt)}, its fluency models alone in {shares('fluency', spoilt)} "
            f"(baseline: {shares('baseline', spoilt)})."
        )
    sentences.append(
        f"Its scores correlate {gold['pearson']:.2f} with mean human ratings "
        f"(baseline: {gold['pearson_baseline']:.2f})."
    )
    return " ".join(sentences)


def say_second_gold(results: Results) -> str:
    """How far a second gold agrees with gold, on the initial policy and along PPO."""
    second = results.chain.get("second_gold")
    if not second:
        return "This study has no second gold to judge gold by."
    ppo = results.curves.filter(pl.col("gold_second").is_not_null(), method="ppo")
    late = ppo.filter(pl.col("kl") > 20)
    sentence = (
        "A second gold, of other raters' votes, seeds and spoilt texts, scores samples of the initial policy with a "
        f"correlation of {second['correlation']:.2f} to gold ({second['correlation_within_prompts']:.2f} within prompts)."
    )
    if late.height > 2:
        gap = float(np.abs((late["gold"] - late["gold_second"]).to_numpy()).mean())
        low = [100 * float((late[name] < 0).to_numpy().mean()) for name in ("gold_second", "gold")]
        sentence += (
            f" Beyond 20 nats of PPO the two differ by {gap:.2f} SDs on average; second gold lies below 0 at "
            f"{low[0]:.0f}% of the points there, gold at {low[1]:.0f}%."
        )
    return sentence + say_ends(results)


def say_ends(results: Results) -> str:
    """In how many PPO runs a second gold ends where gold does; nothing where there is none."""
    judged = results.curves.filter(pl.col("gold_second").is_not_null(), method="ppo")
    if judged.is_empty():
        return ""
    ends = judged.sort("step").group_by("record").last()
    near = int(((ends["gold"] - ends["gold_second"]).abs() <= DISAGREE).sum())
    others = "; in the others one of the two is wrong" if near < ends.height else ""
    return f" Where PPO runs end, the two lie within {DISAGREE:g} SDs of each other in {near} of {ends.height} runs{others}."


def say_by_second(peaks: pl.DataFrame, second: pl.DataFrame | None) -> str:
    """Whether a second gold sees the same rise and fall, where there is one."""
    if second is None:
        return ""
    both = peaks.join(second, on="rm_params", suffix="_second")
    apart = both.filter((pl.col("end_gold") - pl.col("end_gold_second")).abs() > DISAGREE)
    low, high = (f(both["gold_second"]) for f in (min, max))
    sentence = (
        f" A second gold puts the highest point between {low:.2f} and {high:.2f} SDs and sees a fall for "
        f"{sum(both['falls_second'])} of {both.height} sizes."
    )
    if apart.height:
        sentence += (
            f" Where the runs end, the two golds differ by more than {DISAGREE:g} SDs for {apart.height} of "
            f"{both.height} sizes: there gold itself is fooled, and its curve is not to be trusted."
        )
    return sentence


def say_words(gold: dict[str, Any]) -> str:
    """How much of gold's score word counts explain: the rest is what a proxy can get wrong."""
    share = 100 * max(0.0, gold["bag_of_words_r2"])
    return f"Word counts explain {share:.0f}% of its variance on the initial policy's samples."
