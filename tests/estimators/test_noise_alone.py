"""Normal gold and noise: known expectations of maxima, the slope, and no downturn."""

import math

import numpy as np
import pytest

from overopt.estimators.best_of_n import best_of_n_curve, powers_of_two
from overopt.estimators.noise_alone import best_of_n_of_noisy, gold_quantiles, with_noise
from overopt.util.errors import UserError

# E[max of n standard normal values], n = 1, 2, 4, 8 (Teichroew 1956)
EXPECTED = (0.0, 1 / math.sqrt(math.pi), 1.02938, 1.42360)


@pytest.mark.parametrize("noise", [0.0, 1.0, 3.0])
def test_proxy_and_gold_follow_the_theory(noise):
    found = best_of_n_of_noisy(noise, prompts=4000, samples=64, seed=3)
    assert len(found.kl) == 6  # to n = 32
    wide = math.sqrt(1 + noise)
    for k, expected in enumerate(EXPECTED):
        assert found.proxy[k] == pytest.approx(wide * expected, abs=0.02 * wide)
        assert abs(found.gold[k] - expected / wide) < 4 * found.gold_se[k]
    assert (np.diff(found.gold) > 0).all()


def test_a_negative_variance_is_refused():
    with pytest.raises(UserError, match="noise_variance: found -1"):
        best_of_n_of_noisy(-1.0, prompts=2, samples=2, seed=0)


def of_normal(rng, shape):
    return rng.normal(size=shape)


def of_capped(rng, shape):
    """Gold that cannot go far: the noisy score finds almost as good."""
    return np.tanh(1.5 * rng.normal(size=shape))


def of_gated(rng, shape):
    """Most of it about nothing, some of it good."""
    return np.where(rng.random(shape) < 0.7, 0.1, 1.0) * rng.normal(size=shape)


def of_skewed(rng, shape):
    return rng.gamma(1.5, size=shape)


@pytest.mark.parametrize("correlation", [0.25, 0.5, 0.8])
@pytest.mark.parametrize("made", [of_normal, of_capped, of_gated, of_skewed])
def test_noise_is_put_on_golds_own_scores(made, correlation):
    """Against best-of-n of gold and drawn noise, of the same samples; prompts differ in mean and in spread."""
    rng = np.random.default_rng(0)
    means, spreads = rng.normal(size=(100, 1)), np.exp(0.3 * rng.normal(size=(100, 1)))
    gold = means + spreads * made(rng, (100, 512))
    ns, sd = powers_of_two(64), float(np.sqrt(gold.var(axis=1).mean()))
    highest = np.stack([point.gold_by_prompt for point in best_of_n_curve(gold, gold, ns)])
    found = with_noise(ns, gold_quantiles(ns, highest), correlation=correlation, gold_sd=sd)
    noise = sd * math.sqrt(1 / correlation**2 - 1)
    drawn = []
    for _ in range(8):
        noisy = gold + noise * rng.normal(size=gold.shape)
        drawn.append([point.gold for point in best_of_n_curve(noisy, gold, ns)])
    mean = np.mean(drawn, axis=0)
    gained = highest.mean(axis=1)[-1] - highest[0].mean()
    np.testing.assert_allclose(found, mean, atol=0.02 * gained)
    by_theory = mean[0] + correlation * (highest.mean(axis=1) - mean[0])
    if correlation == 0.5 and made is not of_normal:  # the theory is of normal gold
        assert np.abs(by_theory - mean).max() > 0.04 * gained


def test_two_golds_are_enumerated():
    """Gold 1 with chance p, else 0; noise so wide that all is chance, or so narrow that the best is known."""
    p, ns = 0.3, [1, 2, 4, 8, 16, 32]
    highest = 1 - (1 - p) ** np.array(ns, dtype=float)[:, None]
    sd, quantiles = math.sqrt(p * (1 - p)), gold_quantiles(ns, highest)
    sure = with_noise(ns, quantiles, correlation=0.999, gold_sd=sd)
    assert sure == pytest.approx(highest[:, 0], abs=0.02)
    assert with_noise(ns, quantiles, correlation=0.0, gold_sd=sd) == pytest.approx(p)
    worst = with_noise(ns, quantiles, correlation=-0.999, gold_sd=sd)
    assert worst == pytest.approx(p ** np.array(ns, dtype=float), abs=0.02)


def test_what_noise_cannot_be_put_on_is_refused():
    with pytest.raises(UserError, match=r"ns: found \[2\] first, expected 1"):
        gold_quantiles([2, 4], np.ones((2, 3)))
    with pytest.raises(UserError, match=r"gold_sd: found 0\.0, expected more than 0"):
        with_noise([1, 2], gold_quantiles([1, 2], np.ones((2, 3))), correlation=0.5, gold_sd=0.0)
