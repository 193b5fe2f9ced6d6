"""Real sentences spoilt on purpose, the way a policy spoils its text that is pushed too far.

Every spoilt text keeps the prompt of the sentence it comes from, so that a pair differs in its completion only.
"""

from collections.abc import Sequence

import numpy as np

SPOILT_KINDS = ("looped", "stuck")


def spoil(
    sentence: str, prompt_words: int, kind: str, words: Sequence[str], *, rng: np.random.Generator
) -> str:
    """`sentence` with the words after its prompt spoilt.

    kind: "looped" repeats a run of one to four of them; "stuck" puts one to four phrases, runs of one to three of
    `words`, in the place of a random share of them, from three in ten to all.

    Raises:
        ValueError: on an unknown kind.
    """
    parts = sentence.split()
    prompt, rest = parts[:prompt_words], parts[prompt_words:]
    if kind == "looped":
        size = int(rng.integers(1, 5))
        start = int(rng.integers(0, max(1, len(rest) - size + 1)))
        run = rest[start : start + size]
        spoilt = (run * (len(rest) + 12))[: len(rest) + int(rng.integers(0, 12))]
    elif kind == "stuck":
        starts = rng.integers(len(words), size=rng.integers(1, 5))
        phrases = [list(words[k : k + int(rng.integers(1, 4))]) for k in starts]
        stuck = rng.random(len(rest)) < rng.uniform(0.3, 1)
        stuck[rng.integers(len(rest))] = True
        drawn = rng.integers(len(phrases), size=len(rest))
        runs = [phrases[k] if swap else [word] for word, k, swap in zip(rest, drawn, stuck, strict=True)]
        spoilt = [word for run in runs for word in run]
        spoilt += spoilt[: int(rng.integers(0, 8))]
    else:
        raise ValueError(f"kind of spoiling: found {kind!r}, expected one of {', '.join(SPOILT_KINDS)}")
    return " ".join(prompt + spoilt)
