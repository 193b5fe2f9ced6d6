"""KL efficiency: against normal scores, an enumerated policy, and what no policy can do."""

import math

import numpy as np
import pytest

from overopt.estimators.kl_efficiency import at_kl, frontier
from overopt.estimators.tilting import tilt
from overopt.util.errors import UserError

NORMAL = frontier(np.random.default_rng(0).normal(size=(40, 1000)))


def test_normal_scores_have_the_closed_form():
    """The tilted policy at KL k has a mean of sqrt(2 k) SDs: half of that for the same KL is a quarter of the efficiency."""
    kl = np.array([0.3, 0.5, 1.0, 2.0, 3.0])
    assert NORMAL.efficiency(kl, np.sqrt(2 * kl)) == pytest.approx(np.ones(5), abs=0.03)
    assert NORMAL.efficiency(kl, np.sqrt(2 * kl) / 2) == pytest.approx(np.full(5, 0.25), abs=0.02)
    needed = NORMAL.score**2 / 2
    assert NORMAL.kl[-1] > 3.5
    assert NORMAL.kl[NORMAL.kl > 0.1] == pytest.approx(needed[NORMAL.kl > 0.1], rel=0.05)


def test_it_does_not_hang_on_the_unit_of_the_score():
    base = np.random.default_rng(1).normal(size=(20, 500))
    kl, score = [0.5, 1.0], np.array([0.6, 0.9])
    expected = frontier(base).efficiency(kl, score)
    assert frontier(7 * base - 3).efficiency(kl, 7 * score - 3) == pytest.approx(expected)


def test_an_enumerated_policy():
    """200 completions, each as likely as another: their tilted policy has efficiency 1, any other a lower one."""
    scores = np.random.default_rng(2).exponential(size=(1, 200))
    known = frontier(scores)
    best = tilt(scores, 1.7)
    assert known.efficiency([best.kl], [best.mean(scores)[0]]) == pytest.approx([1.0], abs=1e-4)
    other = best.weights + np.random.default_rng(3).uniform(0, 0.01, size=(1, 200))
    other /= other.sum()
    spent, mean = float((other * np.log(200 * other)).sum()), float((other * scores).sum())
    needed = min(kl for kl, score in zip(known.kl, known.score, strict=True) if score > mean)
    assert known.efficiency([spent], [mean]) == pytest.approx([needed / spent], abs=0.02)
    assert known.efficiency([spent], [mean])[0] < 0.95


def test_beyond_the_samples_nothing_is_said():
    top = NORMAL.score[-1]
    assert math.isnan(NORMAL.kl_needed([top + 1e-6])[0])
    assert NORMAL.kl_needed([top]) == pytest.approx([NORMAL.kl[-1]])
    assert NORMAL.kl_needed([NORMAL.score[0] - 1])[0] == 0  # worse than the base policy: that costs nothing
    assert math.isnan(NORMAL.efficiency([0.0], [0.0])[0])


def test_scores_at_levels_of_kl_are_those_where_a_run_first_comes_there():
    kl, value = [0.0, 1.0, 4.0, 2.0, 9.0], [0.0, 1.0, 3.0, 50.0, 6.0]
    assert at_kl(kl, value, [0.25, 1.0, 2.25, 4.0, 6.25]).tolist() == [
        0.5,
        1.0,
        2.0,
        3.0,
        pytest.approx(19.87, abs=0.01),
    ]
    assert np.isnan(at_kl(kl, value, [10.0])).all()
    gap = at_kl(kl, [0.0, 1.0, math.nan, 1.0, 1.0], [1.0, 2.0])
    assert gap[0] == 1
    assert math.isnan(gap[1])


def test_bad_input_is_named():
    with pytest.raises(UserError, match="base: found the same score"):
        frontier(np.ones((2, 50)))
    with pytest.raises(UserError, match="base: found 8 samples a prompt, expected more than 10"):
        frontier(np.random.default_rng(0).normal(size=(2, 8)))
    with pytest.raises(UserError, match=r"kl: found -1\.0 at point 0"):
        NORMAL.efficiency([-1.0], [0.5])
    with pytest.raises(UserError, match="kl: found 2 points, expected as many as scores, 1"):
        NORMAL.efficiency([1.0, 2.0], [0.5])
    with pytest.raises(UserError, match="value: found 1 points, expected as many as KLs, 2"):
        at_kl([0.0, 1.0], [0.0], [0.5])
