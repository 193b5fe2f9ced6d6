"""The first screen: sentences that follow the verdicts, and a warning that goes with its reason."""

import polars as pl
import pytest
from decoy_study import decoy_fields

from overopt.report import front_page, sentences, world_caveat
from overopt.study.study import ReviewsStudy, load_study


def taught():
    """A study whose gold learned from texts of optimised policies, and whose policy is not sharpened."""
    return ReviewsStudy.model_validate(decoy_fields() | {"world": "reviews"})


@pytest.mark.parametrize(
    ("by_rl", "by_bon", "said"),
    [
        ("holds", "does not hold", ("**holds**", "**does not hold**")),
        ("partly", "cannot tell", ("**partly holds**", "**cannot be told**")),
    ],
)
def test_the_opening_is_three_sentences_and_follows_the_verdicts(by_rl, by_bon, said):
    verdicts = [{"claim": 1, "verdict": by_bon}, {"claim": 2, "verdict": by_rl}]
    opening = front_page.opening(verdicts)
    assert opening.count(". ") == 2
    by_ppo, by_bon = said
    assert opening.endswith(
        f"here that {by_ppo} under PPO, which trains the policy, and {by_bon} under best-of-n, which picks the best of n "
        "texts."
    )
    assert opening.index("*policy*") < opening.index("*proxy*") < opening.index("**")
    assert not any(letter.isdigit() for letter in opening.replace("gao2022scaling", ""))


def test_the_warning_and_the_badges_go_where_gold_saw_no_policy():
    old, new = taught(), load_study("laptop")
    assert "part of its fall is taught" in world_caveat.say_caveat(old)
    assert "makes up words" in world_caveat.say_caveat(old)
    assert world_caveat.say_caveat(new) == ""
    assert "{bdg-warning-line}" in world_caveat.badge(old, 2)
    assert world_caveat.badge(old, 1) == ""  # best-of-n stays near the initial policy
    assert not any(world_caveat.badge(new, claim) for claim in range(1, 21))
    assert world_caveat.say_caveat(load_study("pretrained-cpu")) == ""


def peaks(falls):
    return pl.DataFrame({"falls": falls, "end_kl": [5.0] * len(falls)})


def test_two_counts_stand_side_by_side_with_a_word():
    entry = {"claim": 2, "statistic": 0.5, "measured": "gold surely bends for 2 of 4 sizes."}
    said = sentences.say_bends(entry, peaks([True, True, True, False]))
    assert "As claim 2 counts, gold surely bends for 2 of 4 sizes. By the points of the mean" in said
    assert "for 3 of 4 proxy sizes" in said
    assert "The two counts differ" in said
    assert "differ" not in sentences.say_bends(entry, peaks([True, True, False, False]))
    unmeasured = {"claim": 2, "statistic": None, "measured": "Not measured."}
    assert sentences.say_bends(unmeasured, peaks([True])) == sentences.say_falls(peaks([True]))
