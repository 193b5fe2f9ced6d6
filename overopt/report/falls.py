"""What the pages say of where gold is highest, of how far it falls from there, and of which of its halves falls."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from overopt.analysis.evidence import Evidence, Slice
from overopt.analysis.misfits import least_sure_fall
from overopt.report.sentences import say_trend
from overopt.util.words import counted, number, span


def say_peaks(peaks: pl.DataFrame) -> str:
    """How the highest gold, and the KL it takes, go with proxy size (`averages.measured_peaks`): the paper's headline."""
    return f"{say_trend(peaks, 'gold', 'the highest gold')} {say_trend(peaks, 'kl', 'the KL there (nats)')}"


def say_falls(peaks: pl.DataFrame) -> str:
    """For how many proxy sizes gold ends below its highest, by the measured points and no law."""
    falling, count, ends = sum(peaks["falls"]), peaks.height, [f"{kl:.1f}" for kl in sorted(peaks["end_kl"])]
    return (
        f"By the points of the mean, gold ends more than two standard errors below its highest for {falling} of {count} "
        f"proxy sizes. Means go as far as every seed went: {span(ends[0], ends[-1])} nats."
    )


def say_bends(entry: Mapping[str, Any], peaks: pl.DataFrame) -> str:
    """Both counts of a rise and fall: as a claim counts, and by the points of the mean, with a word where they differ.

    Args:
        entry: the verdict on claim 1 or 2, whose statistic is the share of sizes that turn or bend.
        peaks: the highest points of that method: see `averages.measured_peaks`.
    """
    if entry["statistic"] is None:
        return say_falls(peaks)
    by_claim = f"As claim {entry['claim']} counts, {entry['measured']} {say_falls(peaks)}"
    if round(entry["statistic"] * peaks.height) == sum(peaks["falls"]):
        return by_claim
    return (
        f"{by_claim} The two counts ask for different things. The claim's draws prompts and seeds again, and takes curves "
        "that surely flatten as well; the second compares the highest point of the mean with its last."
    )


def say_turned(peaks: pl.DataFrame) -> str:
    """In how many cells gold of best-of-n falls, by the share of turned labels (`turned_labels.peaks`)."""
    if peaks.is_empty():
        return ""
    parts = []
    for (share,), rows in peaks.sort("label_noise").group_by("label_noise", maintain_order=True):
        labels = f"with {share:.0%} of the labels flipped" if share else "without flipped labels"
        parts.append(f"{labels} for {sum(rows['falls'])} of {rows.height} proxies")
    return f"Gold surely falls before the largest *n* {', '.join(parts)}."


def say_far_peaks(evidence: Evidence) -> str:
    """Where gold of far best-of-n is highest, by proxy size, and for how many it falls; nothing where there is none."""
    if evidence.far is None:
        return ""
    curves, peaks = evidence.far.curves, evidence.far.peaks("bon")
    return f"To n = {max(curves['n']):,}, with {say_runs(curves)}: {say_peaks(peaks)} {say_falls(peaks)}"


def say_runs(far: pl.DataFrame) -> str:
    """How many seeds and prompts far best-of-n has."""
    return f"{counted(far['seed'].n_unique(), 'seed')} and {far['prompts'][0]} prompts"


def say_least_falls(curves: Slice | None, method: str) -> str:
    """How far gold must fall to be called falling, over proxy sizes; nothing where no curve could tell."""
    found = [least_sure_fall(curves.drawn(method, size)) for size in curves.values(method)] if curves else []
    least = [fall for fall in found if not math.isnan(fall)]
    if not least:
        return ""
    low, high = number(min(least)), number(max(least))
    much = f"{low} SDs" if low == high else f"{low} to {high} SDs, by proxy size,"
    return f"Where gold ends {much} or more below its highest, the fall is sure. Smaller falls are hardly told from noise."


def say_halves(ppo: pl.DataFrame) -> str:
    """Which half of gold brings it down along runs of PPO (rows of the curves table); nothing where gold has no halves."""
    runs = ppo.drop_nulls(["rating", "gate"]).sort("step")
    if runs.is_empty():
        return ""
    halves = pl.col("rating", "gate").mean()
    top, end = (
        points.select(halves).row(0, named=True)
        for points in (
            runs.sort("gold", maintain_order=True).group_by("record").last(),
            runs.group_by("record", maintain_order=True).last(),
        )
    )
    reasons = {
        "because texts cease to pass for language": end["gate"] < top["gate"],
        "because their rating falls": end["rating"] < top["rating"],
    }
    so = ", and ".join(word if true else f"not {word}" for word, true in reasons.items())
    falls = f" Gold falls {so}." if any(reasons.values()) else ""
    return (
        f"Where their gold is highest, {counted(runs['record'].n_unique(), 'run')} of PPO have a rating of "
        f"{number(top['rating'])} SDs and a gate of {number(top['gate'])} in the mean. Where they end, the rating is "
        f"{number(end['rating'])} SDs and the gate {number(end['gate'])}.{falls}"
    )
