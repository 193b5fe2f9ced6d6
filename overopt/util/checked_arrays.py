"""Numbers handed over by a user, as float64 arrays that are safe to compute with."""

from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike

from overopt.util.errors import UserError

# Squares and sums over a million values stay inside float64's 1.8e308.
LARGEST = 1e145


def as_floats(name: str, values: ArrayLike, axes: tuple[str, ...]) -> np.ndarray:
    """`values` (NumPy, torch on any device, nested lists) as a float64 array with the named axes.

    Raises:
        UserError: naming `name`, if the values are not numbers, the number of axes is another, the array
            is empty, or an entry is not finite or above 1e145 in size (its square would overflow).
    """
    tensor: Any = values
    if hasattr(tensor, "detach"):  # a torch tensor: on a GPU, in bfloat16 or with a gradient, all welcome
        tensor = tensor.detach().cpu().double().numpy()
    try:
        raw = np.asarray(tensor)
        if raw.dtype.kind in "cSUMm":  # NumPy would parse strings and drop imaginary parts
            raise TypeError
        array = np.asarray(raw, dtype=np.float64)
    except (TypeError, ValueError):
        raise UserError(f"{name}: found something else than a full array of numbers, expected one") from None
    expected = f"an array [{', '.join(axes)}]"
    if array.ndim != len(axes):
        raise UserError(f"{name}: found an array with {array.ndim} axes, expected {expected}")
    if array.size == 0:
        raise UserError(f"{name}: found no values, expected {expected}")
    if not (array.min() >= -LARGEST and array.max() <= LARGEST):  # False for nan
        index = np.unravel_index(np.argmin(np.abs(array) <= LARGEST), array.shape)
        where = ", ".join(f"{axis.rstrip('s')} {i}" for axis, i in zip(axes, index, strict=True))
        raise UserError(
            f"{name}: found {array[index]} at {where} (counted from 0), "
            f"expected a finite number of size at most {LARGEST:g}"
        )
    return array


def as_nats(name: str, kl: ArrayLike) -> Float64[np.ndarray, " points"]:
    """`kl` as float64.

    Raises:
        UserError: (a ValueError) naming `name`, if a kl is negative or not finite.
    """
    kls = as_floats(name, kl, ("points",))
    if kls.min() < 0:
        point = int(np.argmin(kls))
        raise UserError(f"{name}: found {kls[point]} at point {point}, expected nats, not negative")
    return kls
