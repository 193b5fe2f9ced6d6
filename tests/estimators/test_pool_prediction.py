"""Predictions from samples of the base policy, against closed forms and against what optimising those samples gives."""

import json

import numpy as np
import pytest
from scipy import integrate
from scipy.special import ndtri

from overopt.estimators import pool_prediction
from overopt.estimators.best_of_n import best_of_n_curve
from overopt.estimators.laws import LAWS
from overopt.util.errors import UserError


def of_largest(n, g):
    """E[g(largest of n normal numbers)], by quadrature over its quantile v = u^n."""
    found, _ = integrate.quad(lambda v: g(-ndtri(-np.expm1(np.log(v) / n))), 0, 1, limit=400)
    return found


def pool(g, noise=0.0, prompts=64, samples=64, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((prompts, samples))
    return z, g(z) + noise * rng.standard_normal(z.shape)


@pytest.mark.parametrize(
    "g", [lambda z: 0.6 * z, lambda z: 0.8 * z - 0.25 * z**2], ids=["jointly normal", "bent"]
)
def test_gold_far_beyond_the_samples_is_that_of_the_closed_form(g):
    """4,096 samples, of 64 a prompt, and n up to 1,024."""
    curve = pool_prediction.predict_best_of_n(
        *pool(g, noise=0.5), max_n=1024, rng=np.random.default_rng(1), draws=50
    )
    base = of_largest(1, g)
    truth = np.array([of_largest(2**k, g) - base for k in range(11)])
    assert (np.abs(curve.gold - truth) < 4 * curve.gold_se + 0.02).all()
    assert curve.gold_se[-1] < 0.2  # and that says something: gold is at 1.9, or has fallen below its start
    assert truth[-1] > 1.8 or truth[-1] < 0.2 < truth.max()


def test_a_rank_is_a_beta_quantile_so_that_the_tail_is_without_bias():
    """With gold that the ranks' means follow exactly there is no error left but the quadrature's."""
    moments = pool_prediction._moments_of_ranks(64)
    ranks = moments @ np.array([0.3, 0.8, -0.2])
    g = lambda z: 0.3 + 0.8 * z - 0.2 * z**2  # noqa: E731
    for n, weights in zip((64, 1024, 8192), pool_prediction.gold_weights(64, [64, 1024, 8192]), strict=True):
        assert weights @ ranks == pytest.approx(of_largest(n, g), abs=2e-3)


def test_within_the_samples_it_is_best_of_n():
    """A shape that the tail model knows nothing of, where the tail counts for little."""
    proxy, gold = pool(lambda z: np.tanh(2 * z), samples=256, prompts=100)
    curve = pool_prediction.predict_best_of_n(proxy, gold, max_n=8, rng=np.random.default_rng(1), draws=10)
    measured = best_of_n_curve(proxy, gold - gold.mean(), [1, 2, 4, 8])
    np.testing.assert_allclose(curve.gold, [point.gold for point in measured], atol=0.05)
    assert curve.gold[-1] > 0.8


def test_the_peak_is_seen_where_no_sample_is():
    """gold = 0.8 z - 0.2 z^2 peaks at z = 2; with 32 samples a prompt best-of-n reaches 2.1 at most."""
    curve = pool_prediction.predict_best_of_n(
        *pool(lambda z: 0.8 * z - 0.2 * z**2, prompts=256, samples=32, noise=0.3),
        max_n=4096,
        rng=np.random.default_rng(0),
    )
    fit = curve.law.fit
    assert fit.status == "ok"
    low, high = curve.law.beta
    assert 0 < low < fit.beta < high
    top = curve.gold.argmax()
    assert 0 < top < len(curve.kl) - 1


def test_rl_is_the_tilted_policy_and_of_normal_scores_a_straight_line():
    """Tilting a normal score moves its mean by sqrt(2 KL): gold = rho sqrt(2) d, so alpha is that and beta nothing."""
    curve = pool_prediction.predict_rl(
        *pool(lambda z: 0.5 * z, samples=1024, prompts=64), rng=np.random.default_rng(0), draws=50
    )
    assert curve.kl[-1] > 2
    assert curve.law.fit.law is LAWS["rl"]
    assert curve.law.fit.alpha == pytest.approx(0.5 * 2**0.5, abs=0.03)
    assert abs(curve.law.fit.beta) < 0.05


def test_rl_of_a_proxy_that_tells_nothing_apart_is_unknown():
    flat = np.zeros((8, 64))
    assert pool_prediction.predict_rl(flat, flat + np.arange(64), rng=np.random.default_rng(0)) is None


def test_ties_share_their_gold():
    proxy = np.tile(np.repeat([0.0, 1.0], 32), (4, 1))
    gold = np.random.default_rng(0).standard_normal((4, 64))
    predicted = pool_prediction.predict_best_of_n(
        proxy, gold, max_n=2, rng=np.random.default_rng(0), draws=10
    )
    turned = pool_prediction.predict_best_of_n(
        proxy[:, ::-1], gold[:, ::-1], max_n=2, rng=np.random.default_rng(0), draws=10
    )
    np.testing.assert_allclose(predicted.gold_by_prompt, turned.gold_by_prompt, atol=1e-12)


def test_a_prediction_is_plain_json():
    curve = pool_prediction.predict_best_of_n(
        *pool(lambda z: z), max_n=64, rng=np.random.default_rng(0), draws=20
    )
    told = json.loads(json.dumps(curve.as_json(), allow_nan=False))
    assert told["law"] == "bon"
    assert told["alpha_low"] <= told["alpha"] <= told["alpha_high"]
    assert len(told["points"]) == 7
    assert told["points"][0]["kl"] == 0


def test_what_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(UserError, match="samples: found 8 a prompt, expected at least 16"):
        pool_prediction.predict_best_of_n(*pool(lambda z: z, samples=8), max_n=8, rng=rng)
    with pytest.raises(UserError, match=r"gold: found shape \(4, 20\), expected the shape of proxy"):
        pool_prediction.predict_rl(np.zeros((4, 16)), np.zeros((4, 20)), rng=rng)
