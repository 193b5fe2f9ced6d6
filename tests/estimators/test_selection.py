"""Chances and KL of softer forms of best-of-n against enumeration, closed forms and best-of-n itself."""

import itertools
import math

import numpy as np
import pytest
from scipy import integrate

from overopt.estimators.best_of_n import best_of_n_curve, best_of_n_kl, best_of_n_ragged
from overopt.estimators.selection import (
    best_of_poisson_kl,
    poisson_choice,
    poisson_weights,
    soft_best_of_n_kl,
    soft_choice,
    soft_ratio,
)
from overopt.util.errors import UserError

TEXTS = np.array([-1.0, 0.2, 0.9, 2.0])  # the proxy's scores of the four texts of a small policy,
BASE = np.array([4, 2, 1, 1]) / 8  # and its chances of them


def enumerated(n, tau):
    """The chance of each text under soft best-of-n, over all 4^n draws."""
    chosen = np.zeros(4)
    for draw in itertools.product(range(4), repeat=n):
        weights = np.exp(TEXTS[list(draw)] / tau)
        np.add.at(chosen, list(draw), BASE[list(draw)].prod() * weights / weights.sum())
    return chosen


@pytest.mark.parametrize("tau", [0.1, 0.5, 3.0])
def test_the_ratio_of_soft_best_of_n_is_that_of_all_draws(tau):
    ns = [1, 2, 5]
    pool = np.repeat(TEXTS, [4, 2, 1, 1])  # holds each text as often as the policy writes it
    ratios = soft_ratio(pool, ns, tau)
    for n, ratio in zip(ns, ratios, strict=True):
        expected = enumerated(n, tau)
        assert ratio.mean() == pytest.approx(1)
        assert [ratio[pool == text].sum() / 8 for text in TEXTS] == pytest.approx(expected, abs=1e-8)


def test_the_kl_of_soft_best_of_n_is_that_of_all_draws():
    n, tau = 4, 0.5
    chosen = enumerated(n, tau)
    expected = (chosen * np.log(chosen / BASE)).sum()
    pools = np.random.default_rng(0).choice(TEXTS, size=(400, 128), p=BASE)
    kl, bias = soft_best_of_n_kl(pools, [1, n], tau)
    assert (kl[0] == 0).all()
    assert (bias[0] == 0).all()
    error = kl[1].std() / 20
    assert abs(kl[1].mean() - expected) < 4 * error < 0.03
    even = np.repeat(TEXTS, [8, 4, 2, 2])[
        None
    ]  # either half holds each text as often as the policy writes it
    kl, bias = soft_best_of_n_kl(even, [n], tau)
    assert kl[0, 0] == pytest.approx(expected, abs=1e-8)
    assert bias[0, 0] == pytest.approx(0, abs=1e-8)


def test_a_cold_soft_best_of_n_is_best_of_n_and_a_hot_one_the_base_policy():
    proxy = np.random.default_rng(1).normal(size=(2, 2048))
    ns = [1, 4, 16]
    cold, bias = soft_best_of_n_kl(proxy, ns, 5e-3)
    assert cold.mean(1) == pytest.approx([best_of_n_kl(n) for n in ns], abs=0.01)
    assert (bias[1:] < 0).all()
    hot, _ = soft_best_of_n_kl(proxy, ns, 1e4)
    assert hot == pytest.approx(np.zeros((3, 2)), abs=1e-6)


def test_what_is_taken_off_is_most_of_the_bias():
    """Of few samples, against very many."""
    draw = np.random.default_rng(2)
    truth = soft_best_of_n_kl(draw.normal(size=(12, 4096)), [32], 0.2)[0].mean()
    kl, bias = soft_best_of_n_kl(draw.normal(size=(400, 64)), [32], 0.2)
    plain = (kl + bias).mean()
    assert plain < truth - 0.05
    assert abs(kl.mean() - truth) < 0.4 * (truth - plain)


def test_the_chances_of_soft_best_of_n_are_those_of_all_draws():
    proxy = np.array([0.3, -1.0, 2.0, 0.5, 0.4])
    expected = np.zeros(5)
    groups = list(itertools.combinations(range(5), 2))
    for group in groups:
        weights = np.exp(proxy[list(group)] / 0.7)
        expected[list(group)] += weights / weights.sum() / len(groups)
    found = [soft_choice(proxy, 2, 0.7, rng=np.random.default_rng(k)) for k in range(200)]
    assert np.sum(found, 1) == pytest.approx(np.ones(200))
    assert np.mean(found, 0) == pytest.approx(expected, abs=0.01)


def test_the_chances_of_best_of_poisson_are_shared_by_ties():
    proxy = np.array([1.0, 3.0, 2.0, 3.0])
    chances = poisson_choice(proxy, poisson_weights(4, 1.5))
    assert chances.sum() == pytest.approx(1)
    assert chances[1] == chances[3]
    weights = np.exp(-1.5) * np.array([1, 1.5, 1.5**2 / 2, 1.5**3 / 6])
    points = best_of_n_ragged([proxy], [np.eye(4)[1]], [1, 2, 3, 4])  # gold 1 of the second sample alone
    assert chances[1] == pytest.approx(weights @ [point.gold for point in points] / weights.sum())


@pytest.mark.parametrize("mu", [0.3, 3.0, 63.0, 2047.0])
def test_the_kl_of_best_of_poisson_is_the_integral_over_quantiles(mu):
    def ratio(u):
        return (1 + mu * u) * math.exp(-mu * (1 - u))

    near = max(0.0, 1 - 40 / mu)
    expected = integrate.quad(lambda u: ratio(u) * math.log(ratio(u)), near, 1)[0]
    assert integrate.quad(ratio, near, 1)[0] == pytest.approx(1)
    assert best_of_poisson_kl(mu) == pytest.approx(expected, abs=1e-7)
    if mu > 60:  # then n varies by little
        assert best_of_poisson_kl(mu) == pytest.approx(best_of_n_kl(mu + 1), abs=0.02)


def test_the_kl_of_best_of_poisson_is_that_of_its_ranks():
    """Of very many samples without ties, by the chance of every rank."""
    chances = poisson_weights(20_000, 7.0)
    assert best_of_poisson_kl(7.0) == pytest.approx((chances * np.log(20_000 * chances)).sum(), abs=1e-3)


@pytest.mark.parametrize("mu", [-1.0, math.inf, math.nan])
def test_a_mean_that_is_none_is_refused(mu):
    with pytest.raises(UserError, match="mu: found"):
        best_of_poisson_kl(mu)


def test_where_scores_tie_a_cold_soft_best_of_n_is_best_of_n_given_its_ties():
    pool = np.repeat(TEXTS, [32, 16, 8, 8])[None]
    ns = [1, 2, 8]
    kl, _ = soft_best_of_n_kl(pool, ns, 1e-3)
    exact = [point.kl_exact for point in best_of_n_curve(pool, pool, ns)]
    assert kl[:, 0] == pytest.approx(exact, abs=1e-6)
    assert kl[2, 0] < best_of_n_kl(8) - 0.05
