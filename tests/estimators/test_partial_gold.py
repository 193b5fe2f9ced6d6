"""Best-of-n with few gold scores is the same estimate in expectation, at a fraction of the gold scores."""

import itertools

import numpy as np
import pytest

from overopt.estimators.best_of_n import best_of_n_curve
from overopt.estimators.partial_gold import inclusion_chance, spread_gold
from overopt.util.errors import UserError


def scores(prompts, samples, seed, *, tied=False):
    rng = np.random.default_rng(seed)
    proxy = (
        rng.integers(0, 3, (prompts, samples)).astype(float) if tied else rng.normal(size=(prompts, samples))
    )
    return proxy, proxy + rng.normal(size=proxy.shape)


def estimate(proxy, gold, chosen, chance, ns):
    points = best_of_n_curve(proxy, spread_gold(gold[chosen], chosen, chance), ns)
    return np.stack([point.gold_by_prompt for point in points])  # [ns, prompts]


def test_chances_follow_the_rank_by_proxy():
    chance = inclusion_chance([[5.0, 1.0, 3.0, 2.0, 4.0], [1.0, 2.0, 3.0, 4.0, 5.0]], 2)
    np.testing.assert_allclose(chance, [[1, 2 / 5, 2 / 3, 1 / 2, 1], [2 / 5, 1 / 2, 2 / 3, 1, 1]])


def test_equal_scores_share_their_best_rank():
    chance = inclusion_chance([[1.0, 2.0, 1.0, 3.0, 1.0]], 1)
    np.testing.assert_allclose(chance, [[1 / 3, 1 / 2, 1 / 3, 1, 1 / 3]])


@pytest.mark.parametrize("tied", [False, True])
def test_expectation_over_every_choice_is_the_estimate_with_all_gold_scores(tied):
    proxy, gold = scores(1, 7, seed=1, tied=tied)
    chance, ns = inclusion_chance(proxy, 2), [1, 2, 3, 5, 7]
    expected = np.zeros((len(ns), 1))
    total = 0.0
    for bits in itertools.product([False, True], repeat=7):
        chosen = np.array([bits])
        probability = np.where(chosen, chance, 1 - chance).prod()
        if probability:
            total += probability
            expected += probability * estimate(proxy, gold, chosen, chance, ns)
    assert total == pytest.approx(1)
    full = np.stack([point.gold_by_prompt for point in best_of_n_curve(proxy, gold, ns)])
    np.testing.assert_allclose(expected, full, rtol=1e-10)


def test_few_gold_scores_cost_little_precision_at_any_n():
    proxy, gold = scores(32, 16_384, seed=2)
    ns, rng = [1, 16, 256, 4096, 16_384], np.random.default_rng(3)
    chance = inclusion_chance(proxy, 128)
    assert chance.sum() / chance.size == pytest.approx(128 * (1 + np.log(16_384 / 128)) / 16_384, rel=0.02)
    full = best_of_n_curve(proxy, gold, ns)
    found = [estimate(proxy, gold, rng.random(proxy.shape) < chance, chance, ns).mean(1) for _ in range(40)]
    error = np.std(found, axis=0, ddof=1)
    for k, point in enumerate(full):
        mean = np.mean(found, axis=0)[k]
        assert abs(mean - point.gold) < 4.5 * max(error[k] / 40**0.5, 1e-9), point.n
        # gold judged 5% of the samples; 0.05 is the spread it adds to a mean over 32 prompts at most
        assert error[k] < 0.05, point.n
    assert error[-1] < 1e-9  # the best of all is always judged


def test_refuses_what_is_no_number_or_count():
    with pytest.raises(UserError, match="proxy: found nan"):
        inclusion_chance([[1.0, float("nan")]], 1)
    with pytest.raises(ValueError, match="exact: found 0, expected at least 1"):
        inclusion_chance([[1.0, 2.0]], 0)
