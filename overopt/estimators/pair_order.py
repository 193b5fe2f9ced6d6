"""Pairs of samples that two scores order alike, counted without looking at each pair."""

import numpy as np
from jaxtyping import Float64, Int64

Scores = Float64[np.ndarray, " samples"]
Counts = Int64[np.ndarray, " samples"]


def lower_in_both(proxy: Scores, gold: Scores) -> tuple[Counts, Counts]:
    """For each sample, how many have a lower proxy and a lower gold, and how many a lower proxy and the same gold.

    By merging sorted halves: about N log^2 N steps.

    >>> less, same = lower_in_both(np.array([1.0, 2.0, 3.0]), np.array([5.0, 5.0, 7.0]))
    >>> less.tolist(), same.tolist()
    ([0, 0, 2], [0, 1, 0])
    """
    # samples that tie by proxy stand from high to low gold: none of them has a lower one before it
    order = np.lexsort((-gold, proxy))
    ranks = np.unique(gold, return_inverse=True)[1][order].astype(np.int64)
    less, up_to = _earlier(ranks, "left"), _earlier(ranks, "right")
    fresh = np.ones(len(ranks), dtype=bool)  # another than the sample before, in one of the two
    fresh[1:] = (np.diff(proxy[order]) != 0) | (np.diff(ranks) != 0)
    place = np.arange(len(ranks))
    twins = place - np.maximum.accumulate(np.where(fresh, place, 0))
    found = np.empty((2, len(ranks)), dtype=np.int64)
    found[:, order] = less, up_to - less - twins
    return found[0], found[1]


def pairs_among(*scores: Scores) -> int:
    """How many pairs of samples are equal in each of `scores`.

    >>> pairs_among(np.array([1.0, 1.0, 1.0, 2.0]))
    3
    """
    _, sizes = np.unique(np.stack(scores), axis=1, return_counts=True)
    return int((sizes * (sizes - 1) // 2).sum())


def _earlier(ranks: Counts, side: str) -> Counts:
    """For each place, how many earlier ones have a lower rank (left), or one that is not higher (right)."""
    count = len(ranks)
    padded = np.full(1 << (count - 1).bit_length(), count)  # what fills up stands last and is before nobody
    padded[:count] = ranks
    found = np.zeros_like(padded)
    half = 1
    while half < len(padded):
        blocks = padded.reshape(-1, 2, half)
        apart = np.arange(len(blocks))[:, None]
        # numbers of one block are all below those of the next: one search looks through each block on its own
        left = np.sort(blocks[:, 0], axis=1) + apart * (count + 1)
        right = blocks[:, 1] + apart * (count + 1)
        before = np.searchsorted(left.ravel(), right.ravel(), side=side)  # type: ignore[call-overload]
        found.reshape(-1, 2, half)[:, 1] += before.reshape(-1, half) - apart * half
        half *= 2
    return found[:count]
