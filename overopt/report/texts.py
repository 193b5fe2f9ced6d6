"""Which of the sampled texts a page prints: those of the largest proxy, before and after; how long texts are."""

from __future__ import annotations

import polars as pl

from overopt.analysis.averages import NAMES
from overopt.report.myst import escaped
from overopt.util.words import capital, number, short_number, span


def say_best_of_n(texts: pl.DataFrame) -> str:
    """What `best_of_n_texts` are of."""
    return (
        f"Best-of-n for the prompt “{escaped(texts['prompt_text'][0])}”, proxy of {_proxy(texts)} parameters"
    )


def say_ppo(texts: pl.DataFrame) -> str:
    """What `ppo_texts` are of; nothing where there are none."""
    if texts.is_empty():
        return ""
    return f"Samples of one PPO run against the proxy of {_proxy(texts)} parameters."


def _proxy(texts: pl.DataFrame) -> str:
    return short_number(texts["rm_params"][0])


def _of(record: str, texts: pl.DataFrame, curves: pl.DataFrame) -> pl.DataFrame:
    """The texts of a record, and the size of its proxy as `rm_params`."""
    return texts.filter(record=record).with_columns(rm_params=curves.filter(record=record)["rm_params"][0])


def largest_proxy(curves: pl.DataFrame, method: str) -> str:
    """The record of `method`'s run against the largest proxy, of the first seed."""
    runs = curves.filter(method=method).unique("record", maintain_order=True)
    return str(runs.sort("rm_params", -pl.col("seed"), "record")["record"][-1])


def best_of_n_texts(texts: pl.DataFrame, curves: pl.DataFrame) -> pl.DataFrame:
    """The best-of-n texts of the first prompt and the largest proxy, in order of n.

    A completion that stays the best for several n stands once, from `n` to `most`.
    """
    bon = _of(largest_proxy(curves, "bon"), texts, curves)
    shown = bon.filter(prompt_text=bon["prompt_text"][0]).sort("n")
    same = (pl.col("completion") != pl.col("completion").shift()).fill_null(True).cum_sum().alias("same")
    once = shown.group_by(same, maintain_order=True).agg(
        pl.exclude("n").first(), pl.col("n").min(), most=pl.col("n").max()
    )
    return once.drop("same")


def ppo_texts(texts: pl.DataFrame, curves: pl.DataFrame, *, each: int = 2) -> pl.DataFrame:
    """`each` samples of the PPO run against the largest proxy: at its start, before, at and after its highest gold.

    The column `stage` says which, `first` marks its first row. The last stage is "far past it" only where KL is
    half as large again as at the highest gold.
    """
    record = largest_proxy(curves, "ppo")
    ppo, curve = _of(record, texts, curves), curves.filter(record=record)
    steps = ppo["step"].unique().sort().to_list()
    top = curve.row(int(curve["gold"].arg_max() or 0), named=True)
    peak = min(steps, key=lambda step: abs(step - top["step"]))
    way = [step for step in steps if steps[0] < step < peak]
    far = float(curve.sort("step")["kl"][-1]) > 1.5 * top["kl"]
    stages = {steps[0]: "initial policy", steps[-1]: "far past it" if far else "end of the run"}
    if way:
        stages[way[len(way) // 2]] = "before the highest"
    # texts are not kept at every step; where this coincides with another stage, this is what matters
    stages[peak] = "highest gold" if peak == top["step"] else "near the highest gold"
    parts = [
        ppo.filter(step=step).head(each).with_columns(stage=pl.lit(stages[step])) for step in sorted(stages)
    ]
    return pl.concat(parts).with_columns(first=pl.col("stage").is_first_distinct())


def say_lengths(lengths: pl.DataFrame, method: str) -> str:
    """How long texts are where curves begin and end, over proxy sizes (`figure_tables.lengths`); nothing without any."""
    if lengths.is_empty():
        return ""
    curves = lengths.sort("place").group_by("rm_params").agg(first=pl.first("length"), last=pl.last("length"))
    fewer = curves.filter(pl.col("last") < pl.col("first")).height
    return (
        f"{capital(NAMES[method])}: a text has {_range(curves['first'])} tokens where a curve begins and "
        f"{_range(curves['last'])} where it ends; fewer for {fewer} of {curves.height} proxy sizes."
    )


def _range(values: pl.Series) -> str:
    return span(number(min(values), 1), number(max(values), 1))
