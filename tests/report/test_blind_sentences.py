"""What is said of rules and of predictions follows their tables, either way."""

import polars as pl

from overopt.report import blind_sentences


def rules(*rows):
    return pl.DataFrame(
        rows, schema=["method", "rule", "cells", "within", "regret"], orient="row", strict=False
    )


def test_the_nearest_rule_of_each_method_stands_beside_never_stop():
    said = blind_sentences.say_rules(
        rules(
            ("ppo", "end", 16, 0.2, 0.9),
            ("ppo", "kl", 16, 0.5, 0.2),
            ("bon", "end", 10, 0.9, 0.05),
            ("bon", "kl", 10, 0.8, 0.1),
            ("dpo", "end", 9, 1.0, 0.0),
        )
    )
    assert said == (
        "The aim is to lose at most 10% of the highest gold in 90% of the held-out cells. It is reached for best-of-n. The "
        "rule that comes nearest, in part by luck, does so in: best-of-n 90% of 10 cells (*never stop*: 90%); PPO 50% of 16 "
        "cells (*never stop*: 20%). Fewer than 10 such cells, too few to tell: DPO (9)."
    )


def test_an_aim_that_no_rule_comes_to_is_said_to_be_missed():
    assert "It is reached for no method." in blind_sentences.say_rules(rules(("ppo", "kl", 16, 0.89, 0.2)))
    few = blind_sentences.say_rules(rules(("ppo", "kl", 6, 1.0, 0.0)))
    assert "It is reached" not in few
    assert few.endswith("90% of the held-out cells. Fewer than 10 such cells, too few to tell: PPO (6).")
    assert blind_sentences.say_rules(rules()) == ""


def test_overlaps_are_counted_by_method():
    compared = pl.DataFrame({"method": ["bon", "bon", "ppo"], "within": [True, False, False]})
    assert blind_sentences.say_predictions(compared).endswith(
        "overlap for best-of-n in 50% of 2 numbers, for PPO in 0% of 1 numbers."
    )
    assert blind_sentences.say_predictions(compared.clear()) == ""
