"""Kinds of error, by brute force over pairs and by closed forms."""

import itertools
import math

import numpy as np
import pytest

from overopt.estimators.error_kinds import agreement, gold_by_quantile, proxy_spread
from overopt.estimators.pair_order import lower_in_both, pairs_among
from overopt.estimators.tail_index import hill, proxy_error
from overopt.estimators.win_rate import win_rates
from overopt.util.errors import UserError


def prompts(seed, tied, sizes=(7, 5, 8)):
    rng = np.random.default_rng(seed)
    draw = (lambda n: rng.integers(0, 3, n).astype(float)) if tied else rng.normal
    return [draw(n) if tied else rng.normal(size=n) for n in sizes], [
        draw(n) if tied else rng.normal(size=n) for n in sizes
    ]


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("size", [1, 2, 3, 8, 33, 100])
def test_pairs_are_counted_as_by_looking_at_each(tied, size):
    (proxy,), (gold,) = prompts(size, tied, (size,))
    less, same = lower_in_both(proxy, gold)
    lower = proxy[None] < proxy[:, None]
    assert less.tolist() == (lower & (gold[None] < gold[:, None])).sum(1).tolist()
    assert same.tolist() == (lower & (gold[None] == gold[:, None])).sum(1).tolist()
    equal = sum(
        proxy[a] == proxy[b] and gold[a] == gold[b] for a, b in itertools.combinations(range(size), 2)
    )
    assert pairs_among(proxy, gold) == equal


@pytest.mark.parametrize("tied", [True, False])
def test_agreement_is_that_of_all_pairs(tied):
    proxy, gold = prompts(1, tied)
    aurocs, right, pairs = [], 0, 0
    for p, g in zip(proxy, gold, strict=True):
        told = [(a, b) for a, b in itertools.permutations(range(len(p)), 2) if g[a] < g[b]]
        aurocs.append(np.mean([(p[a] < p[b]) + 0.5 * (p[a] == p[b]) for a, b in told]))
        right += sum(p[a] < p[b] for a, b in told)
        pairs += len(told)
    found = agreement(proxy, gold)
    assert found.auroc == pytest.approx(np.mean(aurocs))
    assert found.auroc_se == pytest.approx(np.std(aurocs, ddof=1) / math.sqrt(3))
    assert found.accuracy == pytest.approx(right / pairs)


def test_agreement_of_normal_scores_has_a_closed_form():
    """P(two normal pairs of correlation r are ordered alike) = 1/2 + asin(r) / pi."""
    rng = np.random.default_rng(2)
    gold = list(rng.normal(size=(30, 2000)))
    proxy = [0.6 * g + 0.8 * rng.normal(size=2000) for g in gold]
    found = agreement(proxy, gold)
    expected = 0.5 + math.asin(0.6) / math.pi
    assert abs(found.auroc - expected) < 4 * found.auroc_se < 0.01
    assert found.accuracy == pytest.approx(found.auroc)


def test_gold_that_tells_nothing_apart_gives_no_agreement():
    found = agreement([np.array([1.0, 2.0])], [np.array([3.0, 3.0])])
    assert math.isnan(found.auroc)
    assert math.isnan(found.accuracy)


def test_spread_of_known_variances():
    rng = np.random.default_rng(3)
    proxy = [2.0 * rng.normal() + 3.0 * rng.normal(size=5) for _ in range(4000)]
    found = proxy_spread(proxy)
    assert found.within == pytest.approx(9.0, rel=0.05)
    assert found.share == pytest.approx(9 / 13, rel=0.05)
    with pytest.raises(UserError, match="a single sample"):
        proxy_spread([np.array([1.0])])


def test_gold_by_quantile_follows_the_curve_and_its_top_tail():
    """Gold u - 2 max(u - 0.99, 0) / 0.01 of the quantile u: rises to the tail, then falls below its middle."""
    rng = np.random.default_rng(4)
    proxy = [np.exp(rng.normal(size=10_000)) for _ in range(10)]
    gold = []
    for row in proxy:
        u = (np.argsort(np.argsort(row)) + 0.5) / len(row)
        gold.append(u - 200 * np.maximum(u - 0.99, 0))
    bands = gold_by_quantile(proxy, gold)
    assert [band.samples for band in bands] == [*[10_000] * 9, 9000, 900, 100]
    for band in bands[:10]:
        assert band.gold == pytest.approx((band.low + band.high) / 2, abs=1e-3)
    assert bands[10].gold == pytest.approx(0.9945 - 200 * 0.0045, abs=0.02)
    assert bands[11].gold == pytest.approx(0.9995 - 200 * 0.0095, abs=0.02)


def test_ties_lie_in_one_band_and_small_prompts_have_no_tail():
    bands = gold_by_quantile([np.array([1.0, 1.0, 1.0, 2.0])], [np.array([0.0, 3.0, 6.0, 7.0])])
    assert [(band.low, band.gold, band.samples) for band in bands] == [(0.3, 3.0, 3), (0.8, 7.0, 1)]


@pytest.mark.parametrize("tied", [True, False])
def test_win_rates_are_those_of_all_draws(tied):
    proxy, gold = prompts(5, tied, (6, 5))
    for n in (1, 2, 4):
        by_prompt = []
        for p, g in zip(proxy, gold, strict=True):
            points = []
            for drawn in itertools.combinations(range(len(p)), n):
                best = [k for k in drawn if p[k] == max(p[j] for j in drawn)]
                rest = set(range(len(p))) - set(drawn)
                points.append(np.mean([(g[k] > g[o]) + 0.5 * (g[k] == g[o]) for k in best for o in rest]))
            by_prompt.append(np.mean(points))
        (found,) = win_rates(proxy, gold, [n])
        assert found.rate == pytest.approx(np.mean(by_prompt))
        assert found.rate_se == pytest.approx(np.std(by_prompt, ddof=1) / math.sqrt(2))


def test_gold_itself_reaches_the_bound_and_its_opposite_the_rest():
    scores = [np.random.default_rng(6).normal(size=50)]
    for n in (1, 3, 49):
        (best,), (worst,) = win_rates(scores, scores, [n]), win_rates([-scores[0]], scores, [n])
        assert best.rate == pytest.approx(best.bound) == pytest.approx(n / (n + 1))
        assert worst.rate == pytest.approx(1 / (n + 1))
    with pytest.raises(UserError, match="found 50, expected 1 to 49"):
        win_rates(scores, scores, [50])


@pytest.mark.parametrize("alpha", [1.0, 2.5])
def test_hill_of_pareto_tails(alpha):
    values = np.random.default_rng(7).pareto(alpha, 200_000) + 1
    found = hill(values, used=2000)
    assert abs(found.alpha - alpha) < 4 * found.se
    assert found.se == pytest.approx(found.alpha / math.sqrt(2000))


def test_hill_tells_light_from_heavy_errors_and_refuses_what_has_no_tail():
    rng = np.random.default_rng(8)
    gold = list(rng.normal(size=(20, 5000)))
    light = [2 * g + 0.5 * rng.normal(size=5000) for g in gold]
    heavy = [2 * g + 0.5 * rng.standard_t(2, size=5000) for g in gold]
    assert hill(proxy_error(heavy, gold)).alpha < 2.6
    assert hill(proxy_error(light, gold)).alpha > 5
    assert proxy_error(light, gold).std() == pytest.approx(1.0)
    with pytest.raises(UserError, match="a linear function of gold"):
        proxy_error([2 * g + 1 for g in gold], gold)
    for values, message in (
        ([1.0] * 9, "all equal"),
        ([-1.0, -2.0, 3.0], "more than 0"),
        ([1.0], "used: found 1"),
    ):
        with pytest.raises(UserError, match=message):
            hill(values)
