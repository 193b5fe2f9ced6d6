"""Errors of means against closed forms, and what a single prompt says: nothing about another one."""

import math

import numpy as np
import pytest

from overopt.estimators.best_of_n import best_of_n
from overopt.estimators.tilting import tilt
from overopt.estimators.uncertainty import (
    at_least_usual,
    error_over_seeds,
    rows_drawn,
    shares_drawn,
    standard_error,
)


def test_standard_error_is_the_spread_of_means():
    values = np.random.default_rng(0).normal(3, 2, size=(5000, 16))
    errors = standard_error(values)
    assert errors.shape == (5000,)
    assert math.sqrt((errors**2).mean()) == pytest.approx(2 / math.sqrt(16), rel=0.02)
    assert errors == pytest.approx(standard_error(values.T, axis=0))
    assert values.mean(axis=1).std() == pytest.approx(2 / math.sqrt(16), rel=0.03)


def test_a_single_prompt_has_no_error_anywhere():
    assert np.isnan(standard_error(np.ones((3, 1)))).all()
    point, tilted = best_of_n([[1.0, 2.0]], [[3.0, 4.0]], 1), tilt([[1.0, 2.0]], 1.0)
    errors = [point.gold_se, point.proxy_se, tilted.mean(np.ones((1, 2)))[1]]
    assert np.isnan(errors).all()
    assert np.isnan(error_over_seeds(np.ones((1, 2)), np.full((1, 2), math.nan))).all()
    assert at_least_usual([math.nan, math.nan]) is None


def test_an_error_over_seeds_adds_their_spread_to_that_of_prompts():
    values, errors = np.array([[1.0], [3.0]]), np.array([[0.3], [0.4]])
    assert error_over_seeds(values[:1], errors[:1]) == pytest.approx([0.3])
    assert error_over_seeds(values, errors) == pytest.approx([math.sqrt((0.09 + 0.16) / 2 + 2 / 2)])


def test_what_is_drawn_again_spreads_as_the_error_says():
    values = np.random.default_rng(1).normal(size=200)
    by_share = shares_drawn(200, draws=4000, rng=np.random.default_rng(2)) @ values
    by_row = values[rows_drawn(200, draws=4000)].mean(axis=1)
    for means in (by_share, by_row):
        assert means.mean() == pytest.approx(values.mean(), abs=0.01)
        assert means.std() == pytest.approx(float(standard_error(values)), rel=0.05)
    np.testing.assert_array_equal(rows_drawn(200, draws=3), rows_drawn(200, draws=3))
    assert shares_drawn(7, draws=5, rng=np.random.default_rng(3)).sum(axis=1) == pytest.approx(np.ones(5))
