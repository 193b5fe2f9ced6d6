"""What a page says of the length of texts."""

import polars as pl

from overopt.report.texts import say_lengths


def test_lengths_at_both_ends_of_curves_are_said():
    rows = {"rm_params": [1, 1, 2, 2], "place": [1, 9, 9, 1], "length": [13.0, 10.0, 15.0, 13.0]}
    said = say_lengths(pl.DataFrame(rows), "bon")
    assert said == (
        "Best-of-n: a text has 13.0 tokens where a curve begins and 10.0 to 15.0 where it ends; "
        "fewer for 1 of 2 proxy sizes."
    )


def test_of_lengths_that_nobody_kept_nothing_is_said():
    assert say_lengths(pl.DataFrame(), "ppo") == ""
