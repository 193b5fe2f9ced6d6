"""What pages say of gold without its rule on repetition, where that was asked: of the study that is published."""

import polars as pl

from overopt import api
from overopt.analysis import repetition
from overopt.analysis.evidence import Evidence
from overopt.util.words import counted, number, with_interval


def judged(study: str) -> pl.DataFrame:
    """What the stage `unruled` said of the texts of `study`, a name; no row where nobody asked."""
    folder = api.checked("unruled") if study == api.NOISE_OF else None
    return pl.read_parquet(folder / "unruled.parquet") if folder else pl.DataFrame()


def by_kl(evidence: Evidence) -> pl.DataFrame:
    """`repetition.by_kl` of PPO against every proxy size."""
    found = judged(evidence.results.study.name)
    return found if found.is_empty() else repetition.by_kl(found, evidence.sizes.curves)


def say_unruled(evidence: Evidence) -> str:
    """Whether gold falls without its rule as well, from texts far from the initial policy; nothing where nobody asked."""
    found = judged(evidence.results.study.name)
    far = None if found.is_empty() else repetition.furthest(found, evidence.sizes.curves)
    if far is None:
        return ""
    bands, (value, ends) = repetition.by_kl(found, evidence.sizes.curves), far
    last, highest = bands.row(-1, named=True), max(bands["unruled"])
    falls = "falls without the rule as well" if ends[1] < highest else "does not surely fall without the rule"
    return (
        f"By a rule, text that repeats itself is no language to gold. Of {last['texts']:,} texts that PPO wrote beyond "
        f"{last['low']:g} nats {last['repeats']:.0%} do. Their gold is {number(last['gold'])} in the mean. By its judges of "
        f"language alone it would be {number(last['unruled'])}, or {with_interval(value, *ends)} where each of "
        f"{counted(last['runs'], 'run')} counts alike: gold {falls}."
    )
