"""Where a run stops gaining: from which of its points on no later one is better than noise would make it."""

import numpy as np
from numpy.typing import ArrayLike

from overopt.estimators.uncertainty import standard_error
from overopt.util.checked_arrays import as_floats

ERRORS = 2.0  # standard errors that a later score must be higher by
LEAST_AFTER = 3  # points that must follow: fewer say little of a run that goes on


def plateau(score: ArrayLike) -> int | None:
    """The first point after which the mean score rises by more than `ERRORS` standard errors nowhere; None if it still does.

    `score` is [points, prompts], in the order of steps. Errors are of the difference prompt by prompt. It is None as well
    where fewer than `LEAST_AFTER` points follow.

    >>> rising = np.array([0.0, 1.0, 2.0, 2.0, 2.0, 2.0])[:, None] + np.array([0.0, 5.0, 9.0])
    >>> plateau(rising), plateau(rising[:4])
    (2, None)

    Raises:
        UserError: (a ValueError) if a score is not finite.
    """
    scores = as_floats("score", score, ("points", "prompts"))
    for k in range(len(scores) - LEAST_AFTER):
        gains = scores[k + 1 :] - scores[k]  # [later points, prompts]
        errors = np.nan_to_num(standard_error(gains))  # with a single prompt nothing is known of them
        if (gains.mean(1) <= ERRORS * errors).all():
            return k
    return None
