"""Real completions spoilt on purpose, the way a policy spoils its text that is pushed too far.

They are spoilt token by token, since that is how a policy writes: what it is stuck on may be half a word or "!".
"""

from collections.abc import Sequence

import numpy as np

CORRUPTIONS = ("looped", "stuck", "shuffled", "stuttered", "echoed")


def spoil(
    completion: Sequence[int], kind: str, tokens: Sequence[int], *, rng: np.random.Generator
) -> list[int]:
    """The tokens of a completion, spoilt.

    kind: "looped" repeats a run of one to four of them; "stuck" puts one to four phrases, runs of one to three of
    `tokens`, in the place of a random share of them, from three in ten to all; "shuffled" cuts the completion into runs
    of one to four and puts them in another order; "stuttered" says one or two runs of one to three of them again, most
    often once; "echoed" says a run of two to seven two to five times, with one of `tokens` between or none, and now and
    then with another of them in the place of one: a text that is left at a phrase, or opens with it, or is nothing else.

    Raises:
        ValueError: on an unknown kind.
    """
    count = len(completion)
    if kind == "looped":
        size = int(rng.integers(1, 5))
        start = int(rng.integers(0, max(1, count - size + 1)))
        run = list(completion[start : start + size])
        return (run * (count + 12))[: count + int(rng.integers(0, 12))]
    if kind == "stuck":
        starts = rng.integers(len(tokens), size=rng.integers(1, 5))
        phrases = [list(tokens[k : k + int(rng.integers(1, 4))]) for k in starts]
        stuck = rng.random(count) < rng.uniform(0.3, 1)
        stuck[rng.integers(count)] = True
        drawn = rng.integers(len(phrases), size=count)
        runs = [
            phrases[k] if swap else [token] for token, k, swap in zip(completion, drawn, stuck, strict=True)
        ]
        spoilt = [token for run in runs for token in run]
        return spoilt + spoilt[: int(rng.integers(0, 8))]
    if kind == "shuffled":
        cuts = np.cumsum(rng.integers(1, 5, size=count))
        cuts = cuts[cuts < count] if cuts[0] < count else np.arange(1, count)
        pieces = np.split(np.asarray(completion), cuts)
        order = rng.permutation(len(pieces))
        if (np.diff(order) == 1).all():  # as it was
            order = order[::-1]
        return [int(token) for k in order for token in pieces[k]]
    if kind == "stuttered":
        stuttered = list(completion)
        # nearer to the end a repetition would be lost where a sample is cut
        for start in sorted(rng.integers(max(1, min(count, 18) - 2), size=rng.integers(1, 3)), reverse=True):
            run = stuttered[start : start + int(rng.integers(1, 4))]
            again = int(rng.integers(2, 6)) if rng.random() < 0.4 else 1
            stuttered[start:start] = run * again
        return stuttered
    if kind == "echoed":
        size = int(rng.integers(2, 8))
        start = int(rng.integers(0, max(1, count - size + 1)))
        run = list(completion[start : start + size])
        joined = [_one_of(tokens, rng)] if rng.random() < 0.4 else []
        echoed = list(run)
        for _ in range(int(rng.integers(1, 5))):
            said = list(run)
            if rng.random() < 0.25:
                said[int(rng.integers(len(said)))] = _one_of(tokens, rng)
            echoed += joined + said
        before = completion[:start] if rng.random() < 0.5 else []
        after = completion[start + size :] if rng.random() < 0.3 else []
        return [*before, *echoed, *after]
    raise ValueError(f"kind of spoiling: found {kind!r}, expected one of {', '.join(CORRUPTIONS)}")


def _one_of(tokens: Sequence[int], rng: np.random.Generator) -> int:
    return int(tokens[int(rng.integers(len(tokens)))])
