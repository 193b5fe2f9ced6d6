"""Softer forms of best-of-n against closed forms and all draws; choices against worlds whose best n is known."""

import itertools
import math

import numpy as np
import pytest
from scipy import integrate
from scipy.stats import poisson

from overopt.estimators.best_of_n import best_of_n_ragged
from overopt.estimators.hedging import best_of_poisson, hedge, soft_best_of_n
from overopt.util.errors import UserError


def rng():
    return np.random.default_rng(0)


def rising_then_falling(prompts, samples, seed=0):
    """Gold u - u^12 / 2 of the proxy's quantile u: under best-of-n n / (n + 1) - n / (n + 12) / 2."""
    proxy = list(np.random.default_rng(seed).random((prompts, samples)))
    return proxy, [u - u**12 / 2 for u in proxy]


def test_soft_best_of_n_is_that_of_all_draws():
    draw = np.random.default_rng(1)
    proxy, gold = draw.normal(size=6), draw.normal(size=6)
    expected = []
    for group in itertools.combinations(range(6), 3):
        weights = np.exp(proxy[list(group)] / 0.7)
        expected.append(weights @ gold[list(group)] / weights.sum())
    found = [soft_best_of_n([proxy], [gold], 3, 0.7, rng=np.random.default_rng(k))[0] for k in range(200)]
    error = np.std(found, ddof=1) / math.sqrt(200)
    assert abs(np.mean(found) - np.mean(expected)) < 4 * error < 0.01
    (all_of_them,) = soft_best_of_n([proxy], [gold], 6, 0.7, rng=rng())
    weights = np.exp(proxy / 0.7)
    assert all_of_them == pytest.approx(weights @ gold / weights.sum())


def test_soft_best_of_n_lies_between_the_mean_and_best_of_n():
    draw = np.random.default_rng(2)
    proxy = list(draw.normal(size=(3, 4096)))
    (best,) = best_of_n_ragged(proxy, proxy, [8])
    cold, warm, hot = (soft_best_of_n(proxy, proxy, 8, tau, rng=rng()) for tau in (1e-4, 1.0, 1e6))
    assert cold == pytest.approx(best.gold_by_prompt, abs=0.1)
    assert hot == pytest.approx([row.mean() for row in proxy], abs=1e-4)
    assert (hot < warm).all()
    assert (warm < cold).all()


@pytest.mark.parametrize("mu", [0.0, 0.5, 3.0])
def test_best_of_poisson_is_the_mean_of_best_of_n(mu):
    draw = np.random.default_rng(3)
    proxy = [draw.integers(0, 9, 20).astype(float), draw.normal(size=25)]
    gold = [draw.normal(size=20), draw.normal(size=25)]
    for k in range(2):
        size = len(proxy[k])
        points = best_of_n_ragged(proxy[k : k + 1], gold[k : k + 1], range(1, size + 1))
        chances = poisson.pmf(np.arange(size), mu)
        expected = chances @ [point.gold for point in points] / chances.sum()
        assert best_of_poisson(proxy, gold, mu)[k] == pytest.approx(expected, abs=1e-10)


def test_best_of_poisson_of_a_continuous_proxy_has_a_closed_form():
    """The winner's quantile has the distribution u exp(mu (u - 1)). Khalaf et al. 2025."""
    mu = 6.0
    proxy, gold = rising_then_falling(400, 400)
    expected = integrate.quad(lambda u: (u - u**12 / 2) * (1 + mu * u) * math.exp(mu * (u - 1)), 0, 1)[0]
    found = best_of_poisson(proxy, gold, mu)
    assert abs(found.mean() - expected) < 4 * found.std() / 20 < 0.01


def test_the_best_n_is_found_where_gold_turns():
    proxy, gold = rising_then_falling(200, 256)
    by_n = {2**k: 2**k / (2**k + 1) - 2**k / (2**k + 12) / 2 for k in range(9)}
    assert max(by_n, key=by_n.__getitem__) == 8
    plain, soft, random = hedge(proxy, gold, rng=rng())
    assert plain.n == 8
    assert plain.tau is None
    assert plain.n_interval[0] <= 8 <= plain.n_interval[1]
    assert plain.gold == pytest.approx(by_n[8], abs=0.01)
    assert plain.gain == pytest.approx(by_n[8] - by_n[256], abs=0.02)
    assert plain.gold_interval[0] < plain.gold < plain.gold_interval[1]
    assert plain.gain_interval[0] > 0
    assert soft.tau is not None
    assert soft.gold > by_n[8] - 0.01
    assert random.method == "best-of-Poisson"
    assert random.gold == pytest.approx(by_n[8], abs=0.03)


def test_a_proxy_that_is_gold_needs_no_hedge():
    proxy = list(np.random.default_rng(5).normal(size=(50, 64)))
    plain, soft, random = hedge(proxy, proxy, rng=rng())
    assert (plain.n, plain.gain, plain.gain_interval) == (64.0, 0.0, (0.0, 0.0))
    assert soft.gain < 0
    assert random.n == 32.0  # a Poisson about 64 would often ask for more than there are
    assert random.gain < 0


def test_choosing_among_noise_promises_nothing():
    """Gold that the proxy knows nothing of: the best of many means is above 0, held out it is not."""
    gains, best = [], []
    for seed in range(60):
        draw = np.random.default_rng(seed)
        proxy, gold = list(draw.normal(size=(20, 32))), list(draw.normal(size=(20, 32)))
        plain = hedge(proxy, gold, rng=draw, draws=10)[0]
        gains.append(plain.gold)
        best.append(max(point.gold for point in best_of_n_ragged(proxy, gold, [1, 2, 4, 8, 16, 32])))
    error = np.std(gains, ddof=1) / math.sqrt(60)
    assert abs(np.mean(gains)) < 3 * error
    assert np.mean(best) > 3 * error


def test_one_prompt_is_refused_and_one_sample_is_not():
    with pytest.raises(UserError, match="found 1 prompts, expected two or more"):
        hedge([np.ones(4)], [np.ones(4)], rng=rng())
    found = hedge([np.ones(1), np.ones(1)], [np.ones(1), np.zeros(1)], rng=rng())
    assert [best.n for best in found] == [1.0, 1.0, 1.0]
