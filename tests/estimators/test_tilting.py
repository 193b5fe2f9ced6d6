"""The tilted policy: against enumeration, the normal distribution, and what no selection can beat."""

import math

import numpy as np
import pytest

from overopt.estimators.best_of_n import best_of_n_curve
from overopt.estimators.tilting import tilt, tilts_at
from overopt.util.errors import UserError


def test_weights_and_kl_by_hand():
    scores, values = np.array([[0.0, math.log(3.0)], [1.0, 1.0]]), np.array([[5.0, 9.0], [2.0, 4.0]])
    found = tilt(scores, 1.0)
    assert found.weights == pytest.approx(np.array([[0.25, 0.75], [0.5, 0.5]]))
    by_hand = 0.25 * math.log(0.5) + 0.75 * math.log(1.5)
    assert found.kl_by_prompt == pytest.approx([by_hand, 0.0])
    assert found.kl == pytest.approx(by_hand / 2)
    assert found.ess == pytest.approx((1 / (0.25**2 + 0.75**2) + 2) / 2)
    mean, se = found.mean(values)
    assert (mean, se) == pytest.approx((5.5, np.std([8.0, 3.0], ddof=1) / math.sqrt(2)))


@pytest.mark.parametrize("temperature", [0.8, 1.5, 3.0])
def test_normal_scores_have_the_closed_form(temperature):
    """s ~ N(0, 1) tilted by exp(s/T) is N(1/T, 1), of KL 1/(2 T^2)."""
    scores = np.random.default_rng(0).normal(size=(200, 4000))
    found = tilt(scores, temperature)
    mean, se = found.mean(scores)
    assert abs(mean - 1 / temperature) < 4 * se + 0.01
    assert found.kl == pytest.approx(1 / (2 * temperature**2), rel=0.02)
    assert found.ess == pytest.approx(4000 * math.exp(-1 / temperature**2), rel=0.1)


def test_kl_is_met_and_no_selection_beats_the_frontier():
    rng = np.random.default_rng(1)
    proxy = rng.normal(size=(50, 512)) ** 3
    points = best_of_n_curve(proxy, rng.normal(size=proxy.shape), [2, 4, 16, 64])
    found = tilts_at(proxy, [point.kl for point in points])
    assert len(found) == len(points)
    for tilted, point in zip(found, points, strict=True):
        assert tilted.kl == pytest.approx(point.kl, abs=1e-4)
        assert tilted.mean(proxy)[0] > point.proxy
    assert [tilted.temperature for tilted in found] == sorted((t.temperature for t in found), reverse=True)


def test_what_samples_cannot_show_is_left_out():
    scores = np.random.default_rng(2).normal(size=(3, 8))
    assert len(tilts_at(scores, [0.0, 0.5, math.log(8) + 0.1])) == 1
    assert tilts_at(np.ones((3, 8)), [0.5]) == []


def test_bad_input_is_named():
    with pytest.raises(UserError, match=r"temperature: found 0\.0"):
        tilt(np.ones((1, 2)), 0.0)
    with pytest.raises(UserError, match="score"):
        tilt(np.array([[1.0, math.nan]]), 1.0)
