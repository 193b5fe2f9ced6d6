"""Real sentences spoilt on purpose: what teaches gold that fluent beats broken, beyond sentiment.

Every spoilt text keeps the prompt of the sentence it comes from, so that a pair differs in its completion only.
"""

import numpy as np

SPOILT_KINDS = ("shuffled", "looped", "spliced")


def spoil(sentence: str, prompt_words: int, kind: str, other: str, *, rng: np.random.Generator) -> str:
    """`sentence` with the words after its prompt spoilt.

    kind: "shuffled" permutes them; "looped" repeats a run of one to four of them; "spliced" breaks off and goes
    on with the end of the sentence `other`.

    Raises:
        ValueError: on an unknown kind.
    """
    words = sentence.split()
    prompt, rest = words[:prompt_words], words[prompt_words:]
    if kind == "shuffled":
        spoilt = [rest[i] for i in rng.permutation(len(rest))]
    elif kind == "looped":
        size = int(rng.integers(1, 5))
        start = int(rng.integers(0, max(1, len(rest) - size + 1)))
        run = rest[start : start + size]
        spoilt = (run * (len(rest) + 12))[: len(rest) + int(rng.integers(0, 12))]
    elif kind == "spliced":
        tail = other.split()
        spoilt = rest[: int(rng.integers(1, len(rest)))] + tail[int(rng.integers(1, max(2, len(tail)))) :]
    else:
        raise ValueError(f"kind of spoiling: found {kind!r}, expected one of {', '.join(SPOILT_KINDS)}")
    return " ".join(prompt + spoilt)
