"""A check of gold that needs no second judge: texts that gold likes although they say the same words again."""

from __future__ import annotations

import re

import polars as pl

LIKED = 1.0  # base-policy SDs of gold
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def says_again(text: str) -> bool:
    """Whether a text says three words in a row twice, whatever stands between them.

    >>> says_again("It is a great film, and a great film.")
    True
    >>> says_again("It was a good film, a funny film and a sad film.")
    False
    """
    words = _WORD.findall(text.lower())
    runs = list(zip(words, words[1:], words[2:], strict=False))
    return len(set(runs)) < len(runs)


def say_repetition(texts: pl.DataFrame) -> str:
    """Of a study's recorded texts: how many that gold likes repeat themselves, where PPO runs end and begin.

    Nothing where no run ends in a text that gold likes.
    """
    of_ppo = texts.filter(method="ppo")
    ends = of_ppo.filter(pl.col("step") == pl.col("step").max().over("record"))
    end, start = _liked(ends), _liked(of_ppo.filter(step=0))
    if not end:
        return ""
    before = f" (where they begin in {sum(start)} of {len(start)})" if start else ""
    return (
        f" Of {len(end)} recorded texts that gold puts above {LIKED:g} SD where PPO runs end, {sum(end)} say three words "
        f"in a row twice{before}: a reader would like those less than gold does."
    )


def _liked(texts: pl.DataFrame) -> list[bool]:
    """Of every text that gold puts above `LIKED`, whether it repeats itself."""
    liked = texts.filter(pl.col("gold") > LIKED)
    return [says_again(first + rest) for first, rest in liked.select("prompt_text", "completion").rows()]
