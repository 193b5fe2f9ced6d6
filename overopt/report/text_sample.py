"""Which texts a reader is given to judge gold by: some at random, and those that gold ranks highest and lowest."""

from __future__ import annotations

import numpy as np
import polars as pl

KINDS = {"random": "at random", "highest": "highest gold", "lowest": "lowest gold"}
RANDOM, ENDS = 8, 3  # so many of each proxy size and method
_TEXT = ("prompt_text", "completion")


def every_text(texts: pl.DataFrame, curves: pl.DataFrame) -> pl.DataFrame:
    """The texts of the runs in `curves`, once for each proxy size and method, with `rm_params`; largest proxy first.

    A completion that several seeds, n or steps gave has the place of the least KL. The columns of gold's halves,
    `rating` and `gate`, are there where the study's texts have them.

    Args:
        texts: the texts of a study: `method, record, prompt_text, completion, n, step, kl, gold, proxy`.
        curves: the curves whose texts are wanted, of one policy and single proxies.
    """
    sizes = curves.select("record", "rm_params").unique()
    whole = texts.join(sizes, on="record").sort("kl", "record", *_TEXT)
    once = whole.unique(["method", "rm_params", *_TEXT], keep="first", maintain_order=True)
    return once.sort("rm_params", "method", "kl", *_TEXT, descending=[True, *[False] * 4])


def sampled(every: pl.DataFrame, *, seed: int = 0, random: int = RANDOM, ends: int = ENDS) -> pl.DataFrame:
    """Of each proxy size and method `random` texts, the `ends` of the highest gold and as many of the lowest.

    Each text is there once: one that came up for an earlier size or method is left out of the later. The columns `random`,
    `highest` and `lowest` say why a text is among them; it may be so for two reasons.

    Args:
        every: see `every_text`; its order is kept.
        seed: the same seed draws the same texts, whatever other proxies the study has.
        random: texts drawn at random, without regard to gold.
        ends: texts of either end of gold's range.

    >>> words = {"prompt_text": "It", "completion": ["is", "was", "may", "can"]}
    >>> texts = pl.DataFrame({"method": "bon", "rm_params": 1, "gold": [0.1, 0.3, 0.2, -0.4]} | words)
    >>> sampled(texts, random=0, ends=1).select("gold", "highest", "lowest").rows()
    [(0.3, True, False), (-0.4, False, True)]
    """
    parts: list[pl.DataFrame] = []
    for _, part in every.group_by("method", "rm_params", maintain_order=True):
        for shown in parts:
            part = part.join(shown, on=_TEXT, how="anti", maintain_order="left")
        drawn = np.random.default_rng(seed).permutation(part.height)[:random]
        place, rank = pl.int_range(pl.len()), pl.col("gold").rank
        chosen = part.with_columns(
            random=place.is_in(drawn.tolist()),
            highest=rank("ordinal", descending=True) <= ends,
            lowest=rank("ordinal") <= ends,
        )
        parts.append(chosen.filter(pl.any_horizontal(*KINDS)))
    return pl.concat(parts) if parts else every.with_columns(**dict.fromkeys(KINDS, pl.lit(value=False)))
