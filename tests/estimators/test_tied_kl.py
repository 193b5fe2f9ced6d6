"""The KL of best-of-n with ties: against enumeration, quadrature, the formula, and what a coarser proxy cannot do."""

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import rel_entr

from overopt.estimators.best_of_n import best_of_n, best_of_n_curve, best_of_n_kl, best_of_n_ragged
from overopt.estimators.tied_kl import lost_to_ties


def by_enumeration(proxy, n):
    """KL over samples, from every way to draw n of them with replacement, ties broken at random."""
    chance = np.zeros(len(proxy))
    for drawn in itertools.product(range(len(proxy)), repeat=n):
        top = max(proxy[k] for k in drawn)
        # a draw among equals is a draw of any sample with that value: they are the same to the proxy
        winners = [k for k in range(len(proxy)) if proxy[k] == top]
        chance[winners] += 1 / len(winners) / len(proxy) ** n
    there = chance > 0
    return float((chance[there] * np.log(len(proxy) * chance[there])).sum())


def lost(starts, sizes, samples, n):
    """What the ties of one prompt take off."""
    return lost_to_ties(np.array(starts), np.array(sizes), samples, 1, [n]).item()


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize("proxy", [[0, 0, 1, 1, 1], [2, 2, 2, 2], [0, 0, 1, 1, 3, 3], [5, 5, 5, 1, 1]])
def test_nothing_but_ties_equals_enumeration(proxy, n):
    expected = by_enumeration(proxy, n)
    _, sizes = np.unique(proxy, return_counts=True)
    assert best_of_n_kl(n) - lost(sizes.cumsum() - sizes, sizes, len(proxy), n) == pytest.approx(
        expected, abs=1e-12
    )
    if n <= len(proxy):
        point = best_of_n([proxy], [np.zeros(len(proxy))], n)
        assert point.kl_exact == pytest.approx(expected, abs=1e-12)
        assert point.kl == best_of_n_kl(n)


@pytest.mark.parametrize(("n", "expected"), [(2, 0.130812), (256, math.log(2)), (65_536, math.log(2))])
def test_a_proxy_of_two_values_never_goes_beyond_the_better_half(n, expected):
    assert best_of_n_kl(n) - lost([0, 128], [128, 128], 256, n) == pytest.approx(expected, abs=1e-6)


def test_the_case_of_4_55_nats():
    proxy = np.tile([0.0, 1.0], 128)[None]
    point = best_of_n(proxy, proxy, 256)
    assert (round(point.kl, 2), round(point.kl_exact, 2)) == (4.55, 0.69)


@pytest.mark.parametrize("n", [2, 7, 100])
def test_ties_among_others_equal_quadrature(n):
    """Untied samples count as a continuous stretch: the integral of the density's logarithm, outside of the ties."""
    proxy = [0.0, 1.0, 1.0, 1.0, 4.0, 5.0, 6.0, 6.0, 8.0, 9.0]

    def over(a, b):
        return integrate.quad(
            lambda u: n * u ** (n - 1) * (math.log(n) + (n - 1) * math.log(u)), a, b, epsabs=1e-12
        )[0]

    expected = sum(over(a, b) for a, b in [(1e-12, 0.1), (0.4, 0.6), (0.8, 1.0)])
    for a, b in [(0.1, 0.4), (0.6, 0.8)]:
        expected += (b**n - a**n) * math.log((b**n - a**n) / (b - a))
    assert best_of_n_kl(n) - lost([1, 6], [3, 2], 10, n) == pytest.approx(expected, abs=1e-9)
    if n <= 10:
        assert best_of_n([proxy], [proxy], n).kl_exact == pytest.approx(expected, abs=1e-9)


def test_without_ties_it_is_the_formula_to_the_last_bit():
    scores = np.random.default_rng(0).normal(size=(7, 300))
    for point in best_of_n_curve(scores, scores, [1, 2, 17, 300]):
        assert point.kl_exact == point.kl == best_of_n_kl(point.n)


def test_a_constant_proxy_moves_nothing():
    for point in best_of_n_curve(np.ones((3, 50)), np.zeros((3, 50)), [1, 2, 50]):
        assert point.kl_exact == 0.0


def test_it_is_a_mean_over_prompts_of_any_size():
    proxy = [[0.0, 0.0, 1.0, 1.0], [1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 2.0, 2.0, 1.0]]
    alone = [best_of_n([row], [row], 3).kl_exact for row in proxy]
    assert len(set(alone)) == 3
    (point,) = best_of_n_ragged(proxy, proxy, [3])
    assert point.kl_exact == pytest.approx(np.mean(alone), abs=1e-14)


def test_a_coarser_proxy_has_less_kl_and_a_finely_rounded_one_about_the_formula():
    scores = np.random.default_rng(1).normal(size=(20, 4096))
    found = [best_of_n(scores.round(digits), scores, 64).kl_exact for digits in (0, 1, 2)]
    assert found[0] < found[1] < found[2] < best_of_n_kl(64)
    assert found[2] == pytest.approx(best_of_n_kl(64), abs=0.01)
    assert found[0] < best_of_n_kl(64) - 0.3


@pytest.mark.parametrize("n", [2, 16, 256])
def test_samples_of_a_rounded_normal_proxy_know_its_kl(n):
    """Rounded to whole numbers its KL is a sum over few values, which thousands of samples estimate well."""
    edges = stats.norm.cdf(np.arange(-9.5, 10.0))
    p, chosen = np.diff(edges), np.diff(edges**n)
    expected = rel_entr(chosen, p).sum()
    scores = np.random.default_rng(2).normal(size=(40, 4096)).round()
    assert best_of_n(scores, scores, n).kl_exact == pytest.approx(expected, rel=0.01)
    assert expected < best_of_n_kl(n) - 0.015  # the formula is not that near


def test_no_overflow_at_a_million_samples():
    assert 0 < lost([999_998], [2], 1_000_000, 1_000_000) < 0.5
    assert lost([0, 500_000], [2, 10], 1_000_000, 1_000_000) == 0.0
