"""The estimator against its definition, a closed form, and what must not change it."""

import itertools
import math
import time
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import integrate, stats

from overopt.estimators.best_of_n import best_of_n, best_of_n_curve, best_of_n_kl, best_of_n_ragged
from overopt.util.errors import UserError


def over_all_subsets(proxy, gold, n):
    """Mean over every n-subset of the winner's (gold, proxy); tied winners count equally."""
    golds, proxies = [], []
    for subset in itertools.combinations(range(len(proxy)), n):
        top = max(proxy[i] for i in subset)
        golds.append(np.mean([gold[i] for i in subset if proxy[i] == top]))
        proxies.append(top)
    return np.mean(golds), np.mean(proxies)


def expected_maximum(n):
    """E[max of n standard normals], by integration."""
    return integrate.quad(lambda x: x * n * stats.norm.pdf(x) * stats.norm.cdf(x) ** (n - 1), -12, 12)[0]


# Proxy scores from {0, 1, 2} tie all the time, real ones never.
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("samples", [1, 2, 5, 9])
def test_equals_the_mean_over_all_subsets(samples, tied):
    rng = np.random.default_rng(samples)
    shape = (4, samples)
    proxy = rng.integers(0, 3, shape).astype(float) if tied else rng.normal(size=shape)
    gold = rng.normal(size=shape)
    for n in range(1, samples + 1):
        expected = np.array(
            [over_all_subsets(proxy[p], gold[p], n) for p in range(4)]
        )  # [prompts, (gold, proxy)]
        got = best_of_n(proxy, gold, n)
        np.testing.assert_allclose(got.gold_by_prompt, expected[:, 0], rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(got.proxy_by_prompt, expected[:, 1], rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose([got.gold, got.proxy], expected.mean(axis=0), rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose([got.gold_se, got.proxy_se], expected.std(axis=0, ddof=1) / 2, atol=1e-12)


def test_constant_proxy_gives_the_mean_gold_at_every_n():
    gold = np.random.default_rng(0).normal(size=(3, 50))
    for point in best_of_n_curve(np.zeros((3, 50)), gold, [1, 7, 50]):
        np.testing.assert_allclose(point.gold_by_prompt, gold.mean(axis=1), rtol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 300, 1999, 2000])
def test_rank_weights_against_whole_number_arithmetic(n):
    samples = 2000
    ranks = np.arange(samples, dtype=float)[None]
    got = best_of_n(ranks, ranks**2, n).gold
    exact = sum(math.comb(i, n - 1) * i**2 for i in range(samples)) / math.comb(samples, n)
    assert got == pytest.approx(exact, rel=1e-10)


def test_gaussian_null():
    rng, rho = np.random.default_rng(1), 0.6
    proxy = rng.normal(size=(200, 4096))
    gold = rho * proxy + math.sqrt(1 - rho**2) * rng.normal(size=proxy.shape)
    for point in best_of_n_curve(proxy, gold, [1, 4, 64, 1024]):
        expected = expected_maximum(point.n)
        assert abs(point.gold - rho * expected) < 4 * point.gold_se < 0.2
        assert abs(point.proxy - expected) < 4 * point.proxy_se < 0.1


def test_standard_error_is_the_spread_over_repeats():
    rng = np.random.default_rng(2)
    proxy = rng.normal(size=(400, 20, 32)) + rng.normal(size=(400, 20, 1))
    gold = 0.5 * proxy + rng.normal(size=proxy.shape)
    points = [best_of_n(p, g, 8) for p, g in zip(proxy, gold, strict=True)]
    spread = np.std([point.gold for point in points])
    stated = math.sqrt(np.mean([point.gold_se**2 for point in points]))
    assert stated == pytest.approx(spread, rel=0.12)  # the spread of 400 is known to 3.5%


scores = arrays(float, (2, 6), elements=st.floats(-1e6, 1e6).map(lambda x: round(x, 2)))


@settings(deadline=None, max_examples=50)
@given(scores, scores, st.integers(1, 6), st.randoms(use_true_random=False))
def test_order_of_samples_does_not_matter(proxy, gold, n, random):
    order = list(range(6))
    random.shuffle(order)
    before, after = best_of_n(proxy, gold, n), best_of_n(proxy[:, order], gold[:, order], n)
    assert after.gold == pytest.approx(before.gold, rel=1e-9, abs=1e-6)
    assert after.proxy == pytest.approx(before.proxy, rel=1e-9, abs=1e-6)


@settings(deadline=None, max_examples=50)
@given(scores, scores, st.integers(1, 6))
def test_only_the_ranking_of_the_proxy_matters_and_gold_keeps_its_units(proxy, gold, n):
    before = best_of_n(proxy, gold, n)
    after = best_of_n(3 * proxy - 5, 10 * gold + 7, n)
    assert after.gold == pytest.approx(10 * before.gold + 7, rel=1e-9, abs=1e-5)
    assert after.proxy == pytest.approx(3 * before.proxy - 5, rel=1e-9, abs=1e-5)
    assert after.gold_se == pytest.approx(10 * before.gold_se, rel=1e-6, abs=1e-5)


def test_n_of_one_is_the_mean_and_n_of_all_the_argmax():
    rng = np.random.default_rng(3)
    proxy, gold = rng.normal(size=(2, 5, 40))
    one, all_ = best_of_n_curve(proxy, gold, [1, 40])
    np.testing.assert_allclose(one.gold_by_prompt, gold.mean(axis=1), rtol=1e-12)
    np.testing.assert_array_equal(all_.gold_by_prompt, gold[np.arange(5), proxy.argmax(axis=1)])
    np.testing.assert_array_equal(all_.proxy_by_prompt, proxy.max(axis=1))


def test_accepts_lists_and_tensors():
    proxy, gold = [[1.0, 2.0, 4.0]], [[3.0, 5.0, 8.0]]
    expected = best_of_n(np.array(proxy), np.array(gold), 2)
    assert expected.gold == pytest.approx((5 + 8 + 8) / 3)
    tensors = torch.tensor(proxy, dtype=torch.bfloat16, requires_grad=True), torch.tensor(gold).int()
    for got in (best_of_n(proxy, gold, 2), best_of_n(*tensors, n=np.int64(2)), best_of_n(proxy, gold, 2.0)):
        assert (got.gold, got.proxy, got.kl) == (expected.gold, expected.proxy, expected.kl)
    assert math.isnan(expected.gold_se)  # a single prompt has no spread over prompts


def test_ragged_prompts_are_each_estimated_from_all_their_samples():
    rng = np.random.default_rng(4)
    proxy = [rng.normal(size=size) for size in (8, 5, 8, 13)]
    gold = [rng.normal(size=len(row)) for row in proxy]
    for point in best_of_n_ragged(proxy, gold, [1, 3, 5]):
        alone = [best_of_n(p[None], g[None], point.n).gold for p, g in zip(proxy, gold, strict=True)]
        np.testing.assert_allclose(point.gold_by_prompt, alone, rtol=1e-12)
        assert point.gold == pytest.approx(np.mean(alone))
    with pytest.raises(UserError, match="n: found 6, expected at most 5"):
        best_of_n_ragged(proxy, gold, [6])
    with pytest.raises(UserError, match="numbers of samples"):
        best_of_n_ragged(proxy, [*gold[:3], gold[3][:-1]], [1])


def test_kl():
    assert best_of_n_kl(1) == 0
    # The values the paper prints for n = 1000, 12,500 and 60,000.
    assert [round(best_of_n_kl(n), 2) for n in (1000, 12_500, 60_000)] == [5.91, 8.43, 10.0]
    assert best_of_n_kl(2) == pytest.approx(math.log(2) - 0.5)


def test_kl_is_the_divergence_of_the_winner():
    # Of 400 equally likely answers, ranked, best of 3 picks rank i with ((i/400)^3 - ((i-1)/400)^3).
    edges = np.linspace(0, 1, 401) ** 3
    chosen = np.diff(edges)
    assert float((chosen * np.log(chosen * 400)).sum()) == pytest.approx(best_of_n_kl(3), rel=1e-3)


@pytest.mark.parametrize("n", [0, -1, 2.5, math.nan, math.inf])
def test_refuses_n_that_is_no_count(n):
    with pytest.raises(ValueError, match=f"n: found {n}"):
        best_of_n_kl(n)
    with pytest.raises(ValueError, match="n: found"):
        best_of_n([[1.0, 2.0]], [[1.0, 2.0]], n)


@pytest.mark.parametrize(
    ("proxy", "gold", "n", "message"),
    [
        ([[1.0, 2.0]], [[1.0, 2.0]], 3, "n: found 3, expected at most 2"),
        ([[1.0, 2.0]], [[1.0, 2.0, 3.0]], 1, r"gold: found shape \(1, 3\), expected the shape of proxy"),
        ([[1.0, math.nan]], [[1.0, 2.0]], 1, "proxy: found nan at prompt 0, sample 1"),
        ([[1.0, 2.0]], [[1.0, -math.inf]], 1, "gold: found -inf at prompt 0, sample 1"),
        ([[1.0, 2.0]], [[1.0, 1e300]], 1, "gold: found 1e.300 at prompt 0, sample 1"),
        (
            [1.0, 2.0],
            [1.0, 2.0],
            1,
            r"proxy: found an array with 1 axes, expected an array \[prompts, samples\]",
        ),
        ([[1.0, 2.0], [3.0]], [[1.0, 2.0], [3.0]], 1, "proxy: found something else than a full array"),
        ([["1.0", "2.0"]], [[1.0, 2.0]], 1, "proxy: found something else"),
        (np.empty((2, 0)), np.empty((2, 0)), 1, "proxy: found no values"),
    ],
)
def test_refuses_bad_scores_in_one_sentence(proxy, gold, n, message):
    with pytest.raises(UserError, match=message):
        best_of_n(proxy, gold, n)


def test_the_papers_size_is_quick_and_small():
    rng = np.random.default_rng(5)
    proxy = rng.normal(size=(64, 65_536)).round(4)  # with ties
    gold = 0.5 * proxy + rng.normal(size=proxy.shape)
    ns = [2**k for k in range(17)]
    start = time.process_time()
    best_of_n_curve(proxy, gold, ns)
    assert time.process_time() - start < 20  # about 1 s on one idle core
    tracemalloc.start()
    try:
        best_of_n_curve(proxy, gold, ns[-3:])
        assert tracemalloc.get_traced_memory()[1] < 1e9
    finally:
        tracemalloc.stop()
