"""Intervals over prompts and seeds cover what they should, and widen for the right reasons."""

import math

import numpy as np
import pytest
from scipy import special

from overopt.estimators.best_of_n import best_of_n_kl
from overopt.estimators.bootstrap import bootstrap, drawn_from_fit
from overopt.estimators.laws import LAWS, fit
from overopt.estimators.uncertainty import at_least_usual
from overopt.util.errors import UserError

TRUTH = {"bon": (0.6, 0.12), "rl": (0.9, 0.45)}
KL = np.array([best_of_n_kl(2**k) for k in range(13)])
PEAK_KL = {"bon": (0.6 / 0.24) ** 2, "rl": math.exp(2 * (0.9 / 0.45 - 1))}


def simulate(form, rng, *, seeds=1, prompts=50, seed_spread=0.0, kl_by_prompt=False):
    """Curves whose coefficients differ by prompt (shared by all seeds) and by seed, with noise on top."""
    by_prompt = rng.normal(TRUTH[form], [0.3, 0.05], size=(prompts, 2))
    curves = []
    for _ in range(seeds):
        coefficients = by_prompt + rng.normal(0, seed_spread, size=2) * [1.0, 0.2]
        gold = LAWS[form].basis(KL) @ coefficients.T + rng.normal(0, 0.1, size=(len(KL), prompts))
        kl = KL[:, None] * rng.uniform(0.9, 1.1, size=(len(KL), prompts)) if kl_by_prompt else KL
        curves.append((kl, gold))
    return curves


def coverage(form, repeats, **settings):
    """Share of simulated data sets whose 95% intervals hold the true alpha, beta and peak."""
    rng = np.random.default_rng(0)
    hits = np.zeros(3)
    for _ in range(repeats):
        got = bootstrap(simulate(form, rng, **settings), form, rng=rng, draws=300)
        truth = (*TRUTH[form], PEAK_KL[form])
        for i, (low, high) in enumerate((got.alpha, got.beta, got.peak_kl)):
            hits[i] += low <= truth[i] <= high
    return hits / repeats


@pytest.mark.parametrize(("form", "kl_by_prompt"), [("bon", False), ("rl", True)])
def test_covers_the_truth_over_prompts(form, kl_by_prompt):
    rates = coverage(form, 200, kl_by_prompt=kl_by_prompt)
    assert ((rates > 0.88) & (rates < 0.99)).all(), rates


@pytest.mark.slow
@pytest.mark.parametrize("form", ["bon", "rl"])
def test_covers_the_truth_over_prompts_and_seeds(form):
    rates = coverage(form, 400, seeds=8, seed_spread=0.1)
    assert ((rates > 0.87) & (rates < 0.99)).all(), rates


def test_seeds_that_differ_widen_the_interval():
    rng = np.random.default_rng(1)
    alike, unlike = (simulate("bon", rng, seeds=6, seed_spread=spread) for spread in (0.0, 0.4))
    widths = [np.diff(bootstrap(curves, "bon", rng=rng).alpha)[0] for curves in (alike, unlike)]
    assert widths[1] > 2 * widths[0]


def test_fewer_prompts_widen_the_interval_by_the_square_root():
    rng = np.random.default_rng(2)
    ((kl, gold),) = simulate("bon", rng, prompts=800)
    widths = [np.diff(bootstrap([(kl, gold[:, :p])], "bon", rng=rng).alpha)[0] for p in (50, 800)]
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.3)


def test_repeating_a_prompt_set_as_new_seeds_adds_no_certainty():
    rng = np.random.default_rng(3)
    curves = simulate("bon", rng)
    once, five_times = (bootstrap(c, "bon", rng=rng, draws=2000) for c in (curves, curves * 5))
    assert np.diff(five_times.alpha)[0] == pytest.approx(np.diff(once.alpha)[0], rel=0.15)


def test_fit_and_band_belong_to_the_measured_points():
    rng = np.random.default_rng(4)
    ((kl, gold),) = simulate("bon", rng)
    got = bootstrap([(kl, gold)], "bon", rng=rng, grid_kl=KL)
    mean, se = gold.mean(axis=1), gold.std(axis=1, ddof=1) / math.sqrt(gold.shape[1])
    made = fit(KL, mean, law="bon", gold_se=at_least_usual(se))
    assert got.fit.alpha == pytest.approx(made.alpha, rel=1e-12)
    assert got.alpha[0] < got.fit.alpha < got.alpha[1]
    assert (got.band_low <= got.band_high).all()
    middle = LAWS["bon"].basis(KL) @ [got.fit.alpha, got.fit.beta]
    assert ((got.band_low <= middle) & (middle <= got.band_high)).all()
    assert got.turns_down > 0.99


def test_draws_that_never_turn_down_put_the_peak_at_infinity():
    rng = np.random.default_rng(5)
    d = np.sqrt(KL)[:, None]
    straight = d * rng.normal(0.5, 0.2, 30) + d**2 * rng.normal(0, 0.2, 30)  # beta of either sign
    got = bootstrap([(KL, straight)], "bon", rng=rng)
    assert 0.02 < got.turns_down < 0.98
    assert got.peak_kl[1] == math.inf
    assert math.isfinite(got.peak_kl[0])


def test_same_generator_same_numbers():
    curves = simulate("rl", np.random.default_rng(6), seeds=3, seed_spread=0.1, kl_by_prompt=True)
    first, second = (bootstrap(curves, "rl", rng=np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first.coefficients, second.coefficients)
    assert (first.alpha, first.peak_kl) == (second.alpha, second.peak_kl)


def test_seeds_may_have_different_points():
    (kl, gold), (_, other) = simulate("bon", np.random.default_rng(8), seeds=2)
    got = bootstrap([(kl, gold), (kl[:7], other[:7])], "bon", rng=np.random.default_rng(9))
    assert got.fit.n_points == 12 + 6
    assert got.alpha[0] < TRUTH["bon"][0] < got.alpha[1]


def test_single_prompt_resamples_seeds_without_weights():
    rng = np.random.default_rng(10)
    curves = [
        (kl, gold.mean(axis=1, keepdims=True)) for kl, gold in simulate("bon", rng, seeds=5, seed_spread=0.1)
    ]
    got = bootstrap(curves, "bon", rng=rng)
    assert math.isnan(got.fit.chi2_dof)
    assert got.alpha[0] < got.alpha[1]


def test_too_few_points_give_nan_and_say_so():
    got = bootstrap(
        [(KL[:3], np.random.default_rng(0).normal(size=(3, 9)))], "bon", rng=np.random.default_rng(1)
    )
    assert got.fit.status == "too_few_points"
    assert np.isnan(got.alpha).all()
    assert np.isnan(got.band_low).all()


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ([], "curves: found no seeds"),
        ([(KL, np.ones((13, 1)))], "curves: found one seed with one prompt"),
        ([(KL, np.ones((13, 4))), (KL, np.ones((13, 5)))], "gold of seed 1: found 5 prompts, expected 4"),
        ([(KL[:5], np.ones((13, 4)))], r"kl of seed 0: found shape \(5,\), expected that of gold, \(13, 4\)"),
        ([(np.ones((13, 3)), np.ones((13, 4)))], r"kl of seed 0: found shape \(13, 3\)"),
        ([(-KL, np.ones((13, 4)) * np.arange(4))], "kl: found -"),
    ],
)
def test_refuses_bad_curves_in_one_sentence(curves, message):
    with pytest.raises(UserError, match=message):
        bootstrap(curves, "bon", rng=np.random.default_rng(0))
    with pytest.raises(UserError, match="law: found 'x'"):
        bootstrap(curves, "x", rng=np.random.default_rng(0))


def test_kl_is_resampled_with_the_same_prompts_as_gold():
    share = np.random.default_rng(0).uniform(0.2, 3, 40)
    kl = KL[1:, None] * share  # prompts spend very different KL, and gold is half of it in every draw
    got = bootstrap([(kl, kl / 2)], "bon", rng=np.random.default_rng(1))
    assert got.alpha == pytest.approx((0, 0), abs=1e-9)
    assert got.beta == pytest.approx((-0.5, -0.5), abs=1e-9)


def test_a_seed_drawn_twice_counts_twice():
    curves = [(KL, LAWS["bon"].basis(KL) @ np.array([[alpha], [0.1]])) for alpha in (0.0, 3.0, 30.0)]
    got = bootstrap(curves, "bon", rng=np.random.default_rng(0))
    means = [(a + b + c) / 3 for a in (0, 3, 30) for b in (0, 3, 30) for c in (0, 3, 30)]
    assert {round(float(alpha), 6) + 0.0 for alpha in got.coefficients[:, 0]} == {
        round(mean, 6) for mean in means
    }


def test_a_collapsed_policy_does_not_pin_the_curve():
    ((kl, gold),) = simulate("rl", np.random.default_rng(11), prompts=400)
    gold[-1] = 0.0  # the last checkpoint answers every prompt alike
    got = bootstrap([(kl, gold)], "rl", rng=np.random.default_rng(12))
    residual = gold.mean(axis=1) - LAWS["rl"].basis(KL) @ [got.fit.alpha, got.fit.beta]
    assert abs(residual[-1]) > 0.01
    with pytest.raises(UserError, match=r"kl: found -2\.0"):
        bootstrap([(kl, gold)], "rl", rng=np.random.default_rng(12), grid_kl=[1.0, -2.0])


def test_a_fit_known_by_points_has_the_intervals_of_fieller():
    """The peak of d(a - b d) is (a / 2b)^2, and a ratio of two normal numbers has an exact interval, Fieller's."""
    kl = np.array([0.5, 1.0, 2.0, 4.0, 6.0, 9.0])
    d = np.sqrt(kl)
    made = fit(kl, d * (0.8 - 0.2 * d), law="bon", gold_se=np.full(6, 0.03))
    drawn = drawn_from_fit(made, kl, rng=np.random.default_rng(0), draws=40_000)
    z, c = special.ndtri(0.975), made.covariance
    ends = np.roots([0.2**2 - z**2 * c[1, 1], -2 * (0.16 - z**2 * c[0, 1]), 0.8**2 - z**2 * c[0, 0]])
    assert drawn.peak_kl == pytest.approx(tuple(sorted((ends / 2) ** 2)), rel=0.02)
    assert drawn.alpha == pytest.approx(made.interval("alpha"), abs=0.002)
    assert drawn.turns_down == 1
    assert (drawn.band_low < made.predict(kl)).all()
    assert (made.predict(kl) < drawn.band_high).all()


def test_without_errors_of_the_points_the_draws_are_students():
    rng = np.random.default_rng(1)
    kl = np.array([1.0, 2.0, 4.0, 9.0])
    made = fit(kl, np.sqrt(kl) * 0.5 + rng.normal(0, 0.05, 4), law="rl")
    drawn = drawn_from_fit(made, kl, rng=rng, draws=40_000)
    assert drawn.beta == pytest.approx(made.interval("beta"), rel=0.05)
    assert 0 < drawn.turns_down < 1
    assert drawn.peak_kl[1] == math.inf


def test_what_was_not_fitted_has_no_intervals():
    made = fit([1.0, 2.0], [0.5, 0.6], law="bon")
    assert math.isnan(drawn_from_fit(made, [1.0], rng=np.random.default_rng(0)).turns_down)
