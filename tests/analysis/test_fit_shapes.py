"""The word for a curve's shape: curves of known shape get the word that is true of them."""

import numpy as np
import polars as pl
import pytest
from fake_evidence import evidence

from overopt.analysis import fit_shapes
from overopt.analysis.claims.shape import falls
from overopt.estimators.bootstrap import bootstrap, even_grid, not_drawn
from overopt.estimators.laws import fit

KL = np.linspace(0.1, 3.0, 12) ** 2


def law(gold_of_d, noise=0.02):
    """A law with intervals, of a curve over 40 prompts that differ by a multiple of d."""
    rng, d = np.random.default_rng(0), np.sqrt(KL)[:, None]
    gold = gold_of_d(d) + noise * d * rng.normal(size=40)
    return bootstrap([(KL, gold)], "bon", rng=rng, draws=200)


@pytest.mark.parametrize(
    ("gold_of_d", "rising", "falling", "word"),
    [
        (lambda d: d * (0.8 - 0.2 * d), True, True, "turns"),
        (lambda d: d * (0.8 - 0.2 * d), True, False, "bends"),
        (lambda d: d * (0.8 - 0.2 * d), False, True, "falls"),
        (lambda d: 0.5 * d, True, False, "straight"),
        (lambda d: d * (0.1 + 0.2 * d), True, False, "steepens"),
    ],
)
def test_a_curve_of_known_shape_gets_its_word(gold_of_d, rising, falling, word):
    # prompts differ, but not on average: the fit itself is exact
    differ = 0.03 * np.random.default_rng(1).normal(size=(len(KL), 40))
    noisy = law(lambda d: gold_of_d(d) + differ - differ.mean(axis=1, keepdims=True))
    assert fit_shapes.shape(noisy, rising=rising, falling=falling) == word


def test_without_draws_nothing_is_said():
    alone = not_drawn(fit(KL, 0.5 * np.sqrt(KL), law="bon"), even_grid(KL))
    assert fit_shapes.shape(alone, rising=True, falling=False) == "unfitted"
    assert fit_shapes.shape(alone, rising=True, falling=True) == "turns"  # which asks no law


def golds(of_bon, of_ppo):
    """Gold as functions of d, for best-of-n and for PPO."""
    d = pl.col("kl").sqrt()
    gold = pl.when(pl.col("step").is_null()).then(of_bon(d)).otherwise(of_ppo(d))

    def change(table):
        spread = 0.02 * d * (pl.col("prompt") - 7.5) if "prompt" in table.columns else 0.0
        return table.with_columns(gold=gold + spread)

    return change


@pytest.fixture(scope="module")
def turning():
    return evidence(golds(lambda d: 0.5 * d, lambda d: d * (0.6 - 0.3 * d.clip(0.01).log())))


def test_words_and_claims_count_alike(turning):
    bon, ppo = (fit_shapes.counted(fit_shapes.shapes(turning, method)) for method in ("bon", "ppo"))
    assert bon == {"straight": 4}
    assert ppo == {"turns": 4}  # peak at exp(2 * 0.6 / 0.3 - 2) = 7.4 nats of 38
    assert falls(turning, "ppo").measured == "gold surely rises and then falls with 4 of 4 proxy sizes."
    assert falls(turning, "bon").measured == "gold surely rises and then falls with 0 of 4 proxy sizes."


def test_peaks_are_known_where_their_interval_is_short(turning):
    peaks = fit_shapes.peaks(turning)
    assert peaks["method"].to_list() == ["ppo"] * 4
    assert peaks["known"].all()
    assert peaks["peak_kl"].to_list() == pytest.approx([np.exp(2.0)] * 4, rel=0.05)


def test_a_peak_whose_interval_spans_decades_is_not_known(monkeypatch, turning):
    monkeypatch.setattr(fit_shapes, "DECADE", 1.0001)
    assert not fit_shapes.peaks(turning)["known"].any()


def test_no_curve_that_turns_no_peaks():
    straight = evidence(golds(lambda d: 0.5 * d, lambda d: 0.5 * d))
    assert fit_shapes.peaks(straight).is_empty()
