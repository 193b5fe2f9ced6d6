"""Order of many scores, several times faster than by comparing them.

NumPy sorts numbers of 16 bits by counting. A float's bits, its sign turned about, rise with it: sorted by the last 16
bits, then stably by those before, scores stand in order.
"""

from typing import Any

import numpy as np
from jaxtyping import Float64, Int64, UInt32, UInt64

DIGIT = 16  # bits of a key that one pass sorts by


def ascending(scores: Float64[np.ndarray, " samples"]) -> Int64[np.ndarray, " samples"]:
    """Indices that sort finite `scores` from low to high; equal ones keep the order they came in."""
    keys = _keys(scores)
    order = np.argsort(keys.astype(np.uint16), kind="stable")
    for shift in range(DIGIT, 8 * keys.itemsize, DIGIT):
        digits = (keys >> shift).astype(np.uint16)
        order = order[np.argsort(digits[order], kind="stable")]
    return order


def _keys(
    scores: Float64[np.ndarray, " samples"],
) -> UInt32[np.ndarray, " samples"] | UInt64[np.ndarray, " samples"]:
    """Whole numbers that order as the scores do: of 32 bits where float32 holds every score, as it does what models say."""
    with np.errstate(over="ignore"):
        short = scores.astype(np.float32)
    floats = (short if np.array_equal(short, scores) else scores) + 0.0  # of -0.0 and 0.0, equal, one is left
    signed: Any = floats.view(np.int32 if floats.itemsize == 4 else np.int64)
    width = 8 * signed.itemsize
    # of negative ones all bits are turned over, of others the first
    turned = signed ^ (signed >> (width - 1) | -(1 << (width - 1)))
    return turned.view(f"u{signed.itemsize}")
