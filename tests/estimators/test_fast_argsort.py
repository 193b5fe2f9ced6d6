"""The order of scores, against sorting by comparison."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from overopt.estimators.fast_argsort import ascending


def same_order(scores):
    np.testing.assert_array_equal(ascending(scores), np.argsort(scores, kind="stable"))


@settings(deadline=None, max_examples=200)
@given(arrays(float, st.integers(1, 40), elements=st.floats(allow_nan=False, allow_infinity=False)))
def test_any_finite_scores(scores):
    same_order(scores)


@settings(deadline=None, max_examples=100)
@given(arrays(float, st.integers(1, 40), elements=st.floats(-8, 8, width=32)))
def test_scores_that_float32_holds(scores):
    same_order(scores)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("spread", [1e-30, 1.0, 1e30])
def test_many_scores(kind, spread):
    rng = np.random.default_rng(0)
    same_order((spread * rng.normal(size=20_000)).astype(kind).astype(float))
    same_order(rng.integers(-3, 3, 20_000).astype(float))  # ties keep their order


def test_zeros_of_either_sign_are_equal():
    same_order(np.array([0.0, -0.0, 0.0, -1.0, -0.0, 1.0]))


def test_scores_that_differ_beyond_float32_are_told_apart():
    scores = 1.0 + np.array([3.0, 1.0, 2.0]) * 1e-15
    same_order(scores)
    assert len(set(scores.astype(np.float32))) == 1
