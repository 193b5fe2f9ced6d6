"""Where a score has stopped rising: not before, not long after, and never where it rises to the end."""

import numpy as np
import pytest

from overopt.estimators.plateau import LEAST_AFTER, plateau
from overopt.util.errors import UserError

PROMPTS = np.random.default_rng(0).normal(size=100) * 3  # prompts differ far more than a score rises


def run(means, noise=0.1, seed=1):
    draws = np.random.default_rng(seed).normal(size=(len(means), len(PROMPTS))) * noise
    return np.asarray(means)[:, None] + PROMPTS + draws


def test_a_run_that_rises_to_the_end_has_none():
    assert plateau(run(np.linspace(0, 2, 20))) is None
    assert plateau(run(np.linspace(0, 2, 20) ** 0.5)) is None


@pytest.mark.parametrize("seed", range(5))
def test_a_run_that_levels_off_has_its_shoulder(seed):
    found = plateau(run([*np.linspace(0, 2, 10), *[2.0] * 12], seed=seed))
    assert 9 <= found <= 14


def test_a_run_that_falls_had_its_best_before():
    assert plateau(run([0, 1, 2, 1.9, 1.5, 1.0])) == 2


def test_a_rise_after_a_lull_counts():
    assert plateau(run([0, 1, 1, 1, 1, 2, 2, 2, 2], noise=0)) == 5


def test_the_last_few_points_say_nothing_yet():
    flat = run([0, 1, 2, 3, *[3] * LEAST_AFTER], noise=0)
    assert plateau(flat) == 3
    assert plateau(flat[:-1]) is None
    assert plateau(flat[:2]) is None


def test_bad_input_is_named():
    with pytest.raises(UserError, match="score: found"):
        plateau([[1.0, np.nan]])
