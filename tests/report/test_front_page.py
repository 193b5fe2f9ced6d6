"""The first screen: sentences that follow the verdicts."""

import re

import polars as pl
import pytest
from fake_evidence import evidence

from overopt.analysis.groups import SIZES
from overopt.report import front_page, pages, sentences


@pytest.mark.parametrize(
    ("by_rl", "by_bon", "said"),
    [
        ("holds", "does not hold", ("**holds**", "**does not hold**")),
        ("partly", "cannot tell", ("**partly holds**", "**cannot be told**")),
    ],
)
def test_the_opening_is_three_sentences_and_follows_the_verdicts(by_rl, by_bon, said):
    verdicts = [{"claim": 1, "verdict": by_bon}, {"claim": 2, "verdict": by_rl}]
    opening = front_page.opening(verdicts, {1: "bends", 2: "turns"})
    assert opening.count(". ") == 2
    by_ppo, by_bon = said
    assert opening.endswith(
        f"here that {by_ppo} under PPO, which trains the policy, and {by_bon} under best-of-n, which keeps, of n texts, "
        "the one that the proxy likes best."
    )
    assert opening.index("*policy*") < opening.index("*proxy*") < opening.index("**")
    assert not any(letter.isdigit() for letter in opening.replace("gao2022scaling", ""))


def peaks(falls):
    return pl.DataFrame({"falls": falls, "end_kl": [5.0] * len(falls)})


def test_two_counts_stand_side_by_side_with_a_word():
    entry = {"claim": 2, "statistic": 0.5, "measured": "gold surely bends for 2 of 4 sizes."}
    said = sentences.say_bends(entry, peaks([True, True, True, False]))
    assert "As claim 2 counts, gold surely bends for 2 of 4 sizes. By the points of the mean" in said
    assert "for 3 of 4 proxy sizes" in said
    assert "The two counts ask for different things." in said
    assert "different things" not in sentences.say_bends(entry, peaks([True, True, False, False]))
    unmeasured = {"claim": 2, "statistic": None, "measured": "Not measured."}
    assert sentences.say_bends(unmeasured, peaks([True])) == sentences.say_falls(peaks([True]))


def best_of_n(n, seeds):
    rows = [("bon", n, 5.0 * k, seed) for k, n in enumerate(n) for seed in range(seeds)]
    return pl.DataFrame(rows, schema=["method", "n", "kl", "seed"], orient="row")


def test_the_largest_n_and_how_many_seeds_went_far():
    e = evidence()
    e.plain = best_of_n([1, 512], 5)
    assert front_page.say_largest_n(e) == "n = 512 (5 nats)"
    e.far = e.slice(SIZES, best_of_n([1, 512, 65_536], 1))
    assert front_page.say_largest_n(e) == "n = 512 (5 nats), with 1 seed to n = 65,536 (10 nats)"
    e.far = e.slice(SIZES, best_of_n([1, 512, 65_536], 2))
    assert "with 2 seeds to" in front_page.say_largest_n(e)
    e.plain = e.plain.clear()
    assert front_page.say_largest_n(e) == "—"


def test_how_far_means_go_is_said_as_a_range():
    said = sentences.say_falls(pl.DataFrame({"falls": [True, False], "end_kl": [31.0, 20.04]}))
    assert said.endswith("Means go as far as every seed went: 20.0 to 31.0 nats.")
    assert sentences.say_falls(peaks([True, True])).endswith("went: 5.0 nats.")


def test_what_far_best_of_n_shows_is_said_with_its_seeds_and_prompts():
    e = evidence()
    assert sentences.say_far_peaks(e) == ""
    e.far = e.slice(SIZES, e.sizes.curves.filter(method="bon", seed=0))
    said = sentences.say_far_peaks(e)
    assert said.startswith("To n = 1,024, with 1 seed and 16 prompts: The highest gold ")
    assert "The KL there (nats) " in said
    assert "more than two standard errors below its highest" in said
    least = sentences.say_least_falls(e.far, "bon")
    assert re.fullmatch(
        r"Where gold ends \d\.\d\d (to \d\.\d\d )?SDs.* or more below its highest, the fall is sure\. .*",
        least,
    )


def test_of_what_was_not_measured_no_least_fall_is_said():
    assert sentences.say_least_falls(None, "bon") == ""


def test_caveats_say_what_badges_mean_and_leave_out_what_was_not_measured():
    e = evidence()
    said = front_page.caveats(e)
    assert f"- {pages.BY_PPO} marks what rests on PPO" in said
    assert pages.FAR not in said
    assert "so they are too narrow" in said
    e.far = e.slice(SIZES, e.sizes.curves.filter(method="bon", seed=0))
    assert (
        f"- {pages.FAR} marks what uses best-of-n beyond the other figures, with 1 seed and 16 prompts."
        in front_page.caveats(e)
    )
    e.sizes = e.slice(SIZES, e.sizes.curves.filter(method="bon"))
    assert pages.BY_PPO not in front_page.caveats(e)


@pytest.mark.parametrize(
    ("claim", "far", "badges"), [(1, True, 1), (2, False, 1), (16, True, 2), (8, False, 0)]
)
def test_a_card_wears_the_badges_of_what_it_rests_on(claim, far, badges):
    said = pages.badges({"claim": claim, "by_gold_alone": far})
    assert said.count("{bdg-") == badges
    assert (pages.FAR in said) is far
