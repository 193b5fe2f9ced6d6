"""The first screen: sentences that follow the verdicts."""

import polars as pl
import pytest

from overopt.report import front_page, sentences


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


def peaks(falls):
    return pl.DataFrame({"falls": falls, "end_kl": [5.0] * len(falls)})


def test_two_counts_stand_side_by_side_with_a_word():
    entry = {"claim": 2, "statistic": 0.5, "measured": "gold surely bends for 2 of 4 sizes."}
    said = sentences.say_bends(entry, peaks([True, True, True, False]))
    assert "As claim 2 counts, gold surely bends for 2 of 4 sizes. By the points of the mean" in said
    assert "for 3 of 4 proxy sizes" in said
    assert "takes laws that bend as well" in said
    assert "as well" not in sentences.say_bends(entry, peaks([True, True, False, False]))
    unmeasured = {"claim": 2, "statistic": None, "measured": "Not measured."}
    assert sentences.say_bends(unmeasured, peaks([True])) == sentences.say_falls(peaks([True]))
