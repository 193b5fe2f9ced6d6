"""Many small least squares at once."""

import numpy as np
from jaxtyping import Bool, Float64


def solve(
    design: Float64[np.ndarray, "*batch points 2"], target: Float64[np.ndarray, "*batch points"]
) -> tuple[Float64[np.ndarray, "*batch 2"], Float64[np.ndarray, "*batch 2 2"], Bool[np.ndarray, "*batch"]]:
    """Least squares by singular values: coefficients, (X'X)^-1, and whether the two columns differ.

    Batched, where numpy.linalg.lstsq is not, so that a bootstrap solves all its draws at once.
    """
    norms = np.sqrt((design**2).sum(axis=-2, keepdims=True))  # [*batch, 1, 2]: columns at unit length
    norms = np.where(norms > 0, norms, 1.0)
    # u [*batch, points, 2], s [*batch, 2], vt [*batch, 2, 2]
    u, s, vt = np.linalg.svd(design / norms, full_matrices=False)
    full_rank = s[..., -1] > 1e-7 * s[..., 0]
    inverse = 1 / np.where(full_rank[..., None], s, 1.0)
    half = np.swapaxes(vt, -1, -2) * inverse[..., None, :] / np.swapaxes(norms, -1, -2)  # [*batch, 2, 2]
    coefficients = (half @ (np.swapaxes(u, -1, -2) @ target[..., None]))[..., 0]
    return coefficients, half @ np.swapaxes(half, -1, -2), np.asarray(full_rank)
