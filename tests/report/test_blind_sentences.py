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
        "The aim is to lose at most 10% of the highest gold in 90% of the held-out cells. It is reached on 10 cells or more "
        "for best-of-n; fewer cannot show it. The rule that comes nearest, in part by luck, does so in these shares of the "
        "cells: best-of-n 90% of 10 (*never stop*: 90%); DPO 100% of 9 (*never stop*: 100%); PPO 50% of 16 (*never stop*: "
        "20%)."
    )


def test_an_aim_that_no_rule_comes_to_is_said_to_be_missed():
    for cells, within in ((16, 0.89), (9, 1.0)):
        said = blind_sentences.say_rules(rules(("PPO, KL penalty", "kl", cells, within, 0.2)))
        assert "It is reached on 10 cells or more for no method;" in said
        assert said.endswith(f"PPO, KL penalty {within:.0%} of {cells}.")
    assert blind_sentences.say_rules(rules()) == ""


def test_errors_of_predictions_have_a_direction():
    row = {"method": "bon", "coefficient": "alpha", "predictions": 3, "error": 0.125, "within": 1.0}
    other = row | {"method": "ppo", "coefficient": "beta", "error": -0.5, "within": 0.0}
    said = blind_sentences.say_predictions(pl.DataFrame([row, other, other | {"coefficient": "peak_kl"}]))
    assert said.startswith(
        "On average α of best-of-n came 0.12 higher than predicted (intervals overlap in 100% of 3), β of PPO came 0.50 "
        "lower than predicted (intervals overlap in 0% of 3). "
    )
    assert blind_sentences.say_predictions(pl.DataFrame([row]).clear()) == ""
