"""Where gold is highest, and how far it falls: sentences that follow the points and the verdicts."""

import re

import polars as pl
import pytest
from fake_evidence import evidence

from overopt.analysis.groups import SIZES
from overopt.report import falls


def peaks(falls):
    return pl.DataFrame({"falls": falls, "end_kl": [5.0] * len(falls)})


def test_two_counts_stand_side_by_side_with_a_word():
    entry = {"claim": 2, "statistic": 0.5, "measured": "gold surely bends for 2 of 4 sizes."}
    said = falls.say_bends(entry, peaks([True, True, True, False]))
    assert "As claim 2 counts, gold surely bends for 2 of 4 sizes. By the points of the mean" in said
    assert "for 3 of 4 proxy sizes" in said
    assert "The two counts ask for different things." in said
    assert "different things" not in falls.say_bends(entry, peaks([True, True, False, False]))
    unmeasured = {"claim": 2, "statistic": None, "measured": "Not measured."}
    assert falls.say_bends(unmeasured, peaks([True])) == falls.say_falls(peaks([True]))


def test_how_far_means_go_is_said_as_a_range():
    said = falls.say_falls(pl.DataFrame({"falls": [True, False], "end_kl": [31.0, 20.04]}))
    assert said.endswith("Means go as far as every seed went: 20.0 to 31.0 nats.")
    assert falls.say_falls(peaks([True, True])).endswith("went: 5.0 nats.")


def test_what_far_best_of_n_shows_is_said_with_its_seeds_and_prompts():
    e = evidence()
    assert falls.say_far_peaks(e) == ""
    e.far = e.slice(SIZES, e.sizes.curves.filter(method="bon", seed=0))
    said = falls.say_far_peaks(e)
    assert said.startswith("To n = 1,024, with 1 seed and 16 prompts: The highest gold ")
    assert "The KL there (nats) " in said
    assert "more than two standard errors below its highest" in said
    least = falls.say_least_falls(e.far, "bon")
    assert re.fullmatch(
        r"Where gold ends \d\.\d\d (to \d\.\d\d )?SDs.* or more below its highest, the fall is sure\. .*",
        least,
    )


def test_of_what_was_not_measured_no_least_fall_is_said():
    assert falls.say_least_falls(None, "bon") == ""


def ppo_run(*, gate, rating):
    """A run whose gold is highest at its second of three points, with the halves of the last two."""
    rows = {"record": "a", "step": [0, 1, 2], "gold": [0.0, 1.0, -1.0]}
    return pl.DataFrame(rows | {"gate": [0.8, *gate], "rating": [0.0, *rating]})


@pytest.mark.parametrize(
    ("gate", "rating", "said"),
    [
        (
            (0.9, 0.1),
            (1.2, 2.0),
            "because texts cease to pass for language, and not because their rating falls",
        ),
        ((0.9, 0.1), (1.2, 0.5), "because texts cease to pass for language, and because their rating falls"),
        (
            (0.9, 0.9),
            (1.2, 0.5),
            "not because texts cease to pass for language, and because their rating falls",
        ),
    ],
)
def test_which_half_brings_gold_down_is_said(gate, rating, said):
    sentence = falls.say_halves(ppo_run(gate=gate, rating=rating))
    assert f"Gold falls {said}" in sentence
    assert f"1 run of PPO have a rating of {rating[0]:.2f} SDs and a gate of {gate[0]:.2f}" in sentence
    assert f"Where they end, the rating is {rating[1]:.2f} SDs and the gate {gate[1]:.2f}." in sentence


def test_where_neither_half_falls_no_reason_is_given():
    assert "Gold falls" not in falls.say_halves(ppo_run(gate=(0.9, 0.9), rating=(1.2, 1.2)))


def test_of_gold_without_halves_nothing_is_said():
    whole = ppo_run(gate=(0.9, 0.1), rating=(1.0, 1.0)).with_columns(gate=None, rating=None)
    assert falls.say_halves(whole) == ""
