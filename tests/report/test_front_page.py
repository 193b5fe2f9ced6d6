"""The first screen: sentences that follow the verdicts."""

import polars as pl
import pytest
from fake_evidence import evidence

from overopt.analysis.groups import SIZES
from overopt.report import front_page, pages


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


def test_caveats_say_what_badges_mean_and_leave_out_what_was_not_measured():
    e = evidence(lambda table: table.with_columns(rating=None, gate=None))
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
