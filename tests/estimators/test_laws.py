"""Fits on curves with known coefficients: recovered, at the stated rate, and honest where they cannot be."""

import math

import numpy as np
import pytest

from overopt.estimators.best_of_n import best_of_n_curve, best_of_n_kl
from overopt.estimators.laws import LAWS, STATUSES, fit
from overopt.estimators.rival_forms import RIVALS
from overopt.util.errors import UserError

KL = np.array([best_of_n_kl(2**k) for k in range(1, 15)])
TRUTH = {"bon": (0.6, 0.12), "rl": (0.9, 0.45)}


def law(form, kl, alpha, beta):
    d = np.sqrt(kl)
    return d * (alpha - beta * (d if form == "bon" else np.log(d)))


@pytest.mark.parametrize("gold_se", [None, np.linspace(0.01, 0.1, len(KL))])
@pytest.mark.parametrize("form", ["bon", "rl"])
def test_recovers_exact_coefficients_and_peak(form, gold_se):
    alpha, beta = TRUTH[form]
    gold = law(form, KL, alpha, beta)
    got = fit(KL, gold, law=form, gold_se=gold_se)
    assert (got.alpha, got.beta) == pytest.approx((alpha, beta), rel=1e-9)
    assert (got.status, got.n_points, got.dof) == ("ok", len(KL), len(KL) - 2)
    fine = np.linspace(1e-3, 20, 200_001)  # the peak, found by looking
    assert got.peak_kl == pytest.approx(fine[law(form, fine, alpha, beta).argmax()], abs=2e-3)
    assert got.peak_gold == pytest.approx(law(form, fine, alpha, beta).max(), rel=1e-6)
    np.testing.assert_allclose(got.predict([0.0, *KL]), [0.0, *gold], rtol=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("form", ["bon", "rl"])
def test_against_textbook_weighted_least_squares(form, weighted):
    rng = np.random.default_rng(0)
    se = rng.uniform(0.02, 0.2, len(KL))
    gold = law(form, KL, *TRUTH[form]) + 3 * se * rng.normal(size=len(KL))  # more scatter than se says
    d = np.sqrt(KL)
    x = np.stack([d, -d * d if form == "bon" else -d * np.log(d)], axis=1)
    w = np.diag(1 / se**2) if weighted else np.eye(len(KL))
    inverse = np.linalg.inv(x.T @ w @ x)
    expected = inverse @ x.T @ w @ gold
    residuals = gold - x @ expected
    chi2_dof = residuals @ w @ residuals / (len(KL) - 2)
    covariance = inverse * (max(1, chi2_dof) if weighted else chi2_dof)
    got = fit(KL, gold, law=form, gold_se=se if weighted else None)
    assert (got.alpha, got.beta) == pytest.approx(tuple(expected))
    assert (got.alpha_se, got.beta_se) == pytest.approx(tuple(np.sqrt(np.diag(covariance))))
    assert got.covariance == pytest.approx(covariance)
    if weighted:
        assert got.chi2_dof == pytest.approx(chi2_dof)


def test_less_scatter_than_stated_does_not_narrow_the_errors():
    gold, se = law("bon", KL, 0.6, 0.12), np.full(len(KL), 0.05)
    exact = fit(KL, gold, law="bon", gold_se=se)
    doubled = fit(KL, gold, law="bon", gold_se=2 * se)
    assert exact.chi2_dof < 1e-9
    assert exact.alpha_se > 0.005
    assert doubled.alpha_se == pytest.approx(2 * exact.alpha_se)


# Without gold_se the intervals are exact for normal noise. With it they are a little wide: chi2/dof
# above 1 by chance widens them, below 1 does not narrow them. 1500 curves know a rate of 95% to 0.6%.
@pytest.mark.parametrize(("weighted", "low", "high"), [(False, 0.93, 0.97), (True, 0.94, 0.985)])
@pytest.mark.parametrize("form", ["bon", "rl"])
def test_stated_intervals_cover_at_the_stated_rate(form, weighted, low, high):
    rng = np.random.default_rng(1)
    se = np.linspace(0.02, 0.08, len(KL)) if weighted else np.full(len(KL), 0.05)
    truth = law(form, KL, *TRUTH[form])
    hits = np.zeros(2)
    for _ in range(1500):
        got = fit(KL, truth + se * rng.normal(size=len(KL)), law=form, gold_se=se if weighted else None)
        for i, name in enumerate(("alpha", "beta")):
            lower, upper = got.interval(name, 0.95)
            hits[i] += lower < TRUTH[form][i] < upper
    assert ((hits / 1500 > low) & (hits / 1500 < high)).all(), hits / 1500


def test_standard_errors_understated_by_the_points_are_made_up_for():
    rng = np.random.default_rng(2)
    truth, hits = law("bon", KL, 0.6, 0.12), 0
    for _ in range(600):
        got = fit(KL, truth + 0.1 * rng.normal(size=len(KL)), law="bon", gold_se=np.full(len(KL), 0.02))
        hits += abs(got.alpha - 0.6) < 1.96 * got.alpha_se
    assert hits / 600 > 0.9


@pytest.mark.parametrize(
    ("form", "kl", "gold", "status"),
    [
        ("bon", KL[:2], law("bon", KL[:2], 0.6, 0.1), "too_few_points"),
        ("bon", [0.0, 0.0, 0.0], [0.0, 0.1, 0.2], "too_few_points"),
        ("rl", [1.0, 1.0, 2.0, 2.0], [0.5, 0.6, 0.7, 0.8], "too_few_points"),
        ("rl", [1.0, 1.0 + 1e-15, 1.0 + 2e-15], [0.5, 0.6, 0.7], "too_few_points"),
        ("bon", [1.0, 1.0 + 1e-8, 1.0 + 2e-8], [0.5, 0.6, 0.7], "underdetermined"),
        ("bon", KL, law("bon", KL, 0.6, 0.0) + 0.05 * (-1) ** np.arange(len(KL)), "underdetermined"),
        ("bon", KL, law("bon", KL, 0.6, 0.0), "underdetermined"),
        ("rl", KL, law("rl", KL, 0.6, 0.0), "underdetermined"),
        ("rl", [1e-10, 1.0, 1e10], law("rl", np.array([1e-10, 1.0, 1e10]), 0.9, 0.45), "ok"),
        ("bon", KL, law("bon", KL, 0.5, -0.05), "no_peak"),
        ("rl", KL, law("rl", KL, 0.5, -0.3), "no_peak"),
        ("bon", KL, law("bon", KL, -0.2, 0.05), "negative_slope"),
        ("bon", KL, law("bon", KL, 0.6, 0.02), "peak_outside"),  # at 225 nats
        ("rl", KL, law("rl", KL, 0.9, 0.3), "peak_outside"),  # at 55 nats
        ("rl", KL, law("rl", KL, -0.5, 0.5), "peak_outside"),  # at 0.02 nats, below the first point
        ("bon", [0.0, *KL], [2.0, *(2 + law("bon", KL, 0.6, 0.12))], "not_centred"),
    ],
)
def test_statuses(form, kl, gold, status):
    got = fit(kl, gold, law=form)
    assert got.status == status
    assert status in STATUSES
    if status == "too_few_points":
        assert math.isnan(got.alpha)
        assert math.isnan(got.peak_kl)
        assert np.isnan(got.predict([1.0])).all()
    if status in ("no_peak", "negative_slope"):
        assert math.isnan(got.peak_kl)
        assert math.isnan(got.peak_gold)


def test_status_follows_the_precision_of_the_points():
    rng = np.random.default_rng(3)
    gold = law("bon", KL, 0.6, 0.12)
    assert fit(KL, gold, law="bon", gold_se=np.full(len(KL), 0.02)).status == "ok"
    assert fit(KL, gold, law="bon", gold_se=np.full(len(KL), 1.0)).status == "underdetermined"
    # A little noise at kl = 0, within its error, is not an offset.
    with_start = [rng.normal() * 0.01, *gold]
    assert fit([0.0, *KL], with_start, law="bon", gold_se=np.full(len(KL) + 1, 0.01)).status == "ok"


def test_gaussian_null_has_no_resolved_downturn():
    rng = np.random.default_rng(4)
    proxy = rng.normal(size=(100, 4096))
    gold = 0.5 * proxy + math.sqrt(0.75) * rng.normal(size=proxy.shape)
    points = best_of_n_curve(proxy, gold, [2**k for k in range(11)])
    got = fit(
        [p.kl for p in points], [p.gold for p in points], law="bon", gold_se=[p.gold_se for p in points]
    )
    assert got.alpha == pytest.approx(1.3 * 0.5, abs=0.05)
    assert got.status in ("no_peak", "underdetermined", "peak_outside")
    assert got.n_points == 10  # n = 1 is at kl = 0


@pytest.mark.parametrize("form", ["bon", "rl"])
def test_order_and_scale_of_the_points_do_not_matter(form):
    rng = np.random.default_rng(5)
    gold, se = law(form, KL, *TRUTH[form]) + 0.03 * rng.normal(size=len(KL)), rng.uniform(0.02, 0.05, len(KL))
    before = fit(KL, gold, law=form, gold_se=se)
    order = rng.permutation(len(KL))
    for scale in (1.0, 1e-6, 1e9):
        after = fit(KL[order], scale * gold[order], law=form, gold_se=scale * se[order])
        for name in ("alpha", "alpha_se", "beta", "beta_se", "peak_gold"):
            assert getattr(after, name) == pytest.approx(scale * getattr(before, name), rel=1e-9)
        assert (after.peak_kl, after.status) == (pytest.approx(before.peak_kl, rel=1e-9), before.status)


def test_points_at_zero_change_nothing():
    gold = law("rl", KL, 0.9, 0.45) + 0.01 * np.sin(np.arange(len(KL)))
    without = fit(KL, gold, law="rl", gold_se=np.full(len(KL), 0.01))
    with_zero = fit([0.0, *KL], [0.0, *gold], law="rl", gold_se=[0.0, *[0.01] * len(KL)])
    assert with_zero == without
    np.testing.assert_array_equal(with_zero.covariance, without.covariance)


def test_peak_too_far_for_a_number_is_none():
    for form in ("bon", "rl"):
        assert all(math.isnan(value) for value in LAWS[form].peak(1.0, 1e-308))
        assert all(math.isnan(value) for value in LAWS[form].peak(1.0, -0.1))
    assert LAWS["bon"].peak(0.6, 0.1) == pytest.approx((9.0, 0.9))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"law": "log"}, "law: found 'log', expected 'bon' or 'rl'"),
        ({"kl": [1.0, -2.0, 3.0]}, "kl: found -2.0 at point 1"),
        ({"kl": [1.0, math.nan, 3.0]}, "kl: found nan at point 1"),
        ({"gold": [1.0, 2.0, math.inf]}, "gold: found inf at point 2"),
        ({"gold": [1.0, 2.0]}, "gold: found 2 values, expected 3"),
        ({"gold_se": [0.1, 0.1]}, "gold_se: found 2 values, expected 3"),
        ({"gold_se": [0.1, 0.0, 0.1]}, "gold_se: found 0.0 at point 1, expected a number above 0"),
        ({"gold_se": [0.1, -0.1, 0.1]}, "gold_se: found -0.1 at point 1"),
        ({"gold_se": [0.1, math.nan, 0.1]}, "gold_se: found nan at point 1"),
        ({"kl": [], "gold": []}, "kl: found no values"),
        ({"kl": [[1.0, 2.0, 3.0]]}, "kl: found an array with 2 axes"),
    ],
)
def test_refuses_bad_points_in_one_sentence(arguments, message):
    good = {"kl": [1.0, 2.0, 3.0], "gold": [0.1, 0.2, 0.3], "law": "bon"}
    with pytest.raises(UserError, match=message):
        fit(**(good | arguments))


def test_predict_refuses_negative_kl():
    with pytest.raises(UserError, match=r"kl: found -1\.0 at point 1"):
        fit(KL, law("bon", KL, 0.6, 0.12), law="bon").predict([1.0, -1.0])


ALL = LAWS | RIVALS
BENDS = {
    "bon": lambda d, _: d,
    "rl": lambda d, _: math.log(d),
    "log1p": lambda d, _: math.log(1 + d),
    "power": lambda d, gamma: d**gamma,
    "shifted": lambda d, epsilon: math.log(epsilon + d),
}


def test_laws_go_by_their_names():
    assert list(LAWS) == ["bon", "rl"]
    assert {name: law.name for name, law in ALL.items()} == {name: name for name in BENDS}
    assert [law.parameters for law in ALL.values()] == [2, 2, 2, 3, 3]


@pytest.mark.parametrize("name", ALL)
def test_basis_is_what_alpha_and_beta_multiply(name):
    for shape in ALL[name].shapes:
        by_hand = [[d, -d * BENDS[name](d, shape)] for d in np.sqrt(KL)]
        np.testing.assert_allclose(ALL[name].basis(KL, shape), by_hand, rtol=1e-12)
        assert (ALL[name].basis(np.zeros(1), shape) == 0).all()
        gold = np.array(by_hand) @ [0.7, 0.2]
        np.testing.assert_allclose(ALL[name].gold(KL, 0.7, 0.2, shape), gold, rtol=1e-12)


@pytest.mark.parametrize(("alpha", "beta"), [(0.5, 0.3), (0.9, 0.45), (0.2, 0.4), (-0.3, 0.3)])
@pytest.mark.parametrize("name", ALL)
def test_peak_is_where_a_search_finds_it(name, alpha, beta):
    law = ALL[name]
    for shape in law.shapes[::7]:
        kl, gold = law.peak(alpha, beta, shape)
        around = np.geomspace(1e-12, 1e12, 2000) * (1.0 if math.isnan(kl) else kl)
        highest = law.gold(around, alpha, beta, shape).max()
        if math.isnan(kl):  # gold falls from the start
            assert highest <= 0
        else:
            assert gold == pytest.approx(highest, rel=1e-3)
            assert (gold + 1e-12 >= law.gold(around, alpha, beta, shape)).all()
            assert law.gold([kl], alpha, beta, shape)[0] == pytest.approx(gold)


def test_suprema_lie_at_infinity_at_a_peak_or_at_the_start():
    alpha, beta = np.array([1.0, 1.0, -1.0]), np.array([-0.1, 0.1, 0.1])
    kl, gold = LAWS["bon"].suprema(alpha, beta)
    assert kl.tolist() == pytest.approx([math.inf, 25.0, 0.0])
    assert gold.tolist() == pytest.approx([math.inf, 2.5, 0.0])


@pytest.mark.parametrize("name", RIVALS)
def test_rejected_forms_are_fitted_by_the_same_function(name):
    law = RIVALS[name]
    shape = law.shapes[len(law.shapes) // 2]
    got = fit(KL, law.gold(KL, 0.9, 0.3, shape), law=law)
    assert (got.law, got.shape, got.dof) == (law, shape, len(KL) - law.parameters)
    assert (got.alpha, got.beta) == pytest.approx((0.9, 0.3), rel=1e-6)
    assert got.status in ("ok", "peak_outside")
    few = KL[: law.parameters]
    assert fit(few, np.sqrt(few), law=law).status == "too_few_points"
