"""Gold with and without its rule on repetition, by KL."""

import polars as pl
import pytest

from overopt.analysis import repetition

CURVES = pl.DataFrame([("a", "ppo"), ("b", "ppo"), ("n", "bon")], schema=["record", "method"], orient="row")
ROWS = [
    ("a", 0.0, 0.5, False, 0.5),
    ("a", 2.0, 1.0, False, 1.0),
    ("a", 4.9, -1.0, True, 2.0),
    ("a", 30.0, -1.0, True, 0.0),
    ("a", 40.0, -1.0, True, 1.0),
    ("b", 25.0, 2.0, False, 2.0),
    ("n", 30.0, 9.0, False, 9.0),  # best-of-n
    ("x", 30.0, 9.0, False, 9.0),  # of another study
]
JUDGED = pl.DataFrame(ROWS, schema=["record", "kl", "gold", "repeats", "unruled"], orient="row")


def test_means_over_the_texts_of_each_band():
    rows = repetition.by_kl(JUDGED, CURVES).rows(named=True)
    assert [(row["low"], row["high"], row["texts"], row["runs"]) for row in rows] == [
        (0.0, 2.0, 1, 1), (2.0, 5.0, 2, 1), (20.0, None, 3, 2),
    ]  # fmt: skip
    assert rows[1]["repeats"] == 0.5
    assert (rows[1]["gold"], rows[1]["others"], rows[1]["unruled"]) == (0.0, 1.0, 1.5)
    assert rows[2]["gold"] == 0.0
    assert rows[2]["others"] == 2.0
    assert rows[2]["repeats"] == pytest.approx(2 / 3)


def test_far_from_the_start_the_mean_is_over_runs():
    value, (low, high) = repetition.furthest(JUDGED, CURVES)
    assert value == pytest.approx((0.5 + 2.0) / 2)
    assert (low, high) == (0.5, 2.0)
    assert repetition.furthest(JUDGED.filter(pl.col("kl") < 20), CURVES) is None


def test_no_text_no_row():
    assert repetition.by_kl(JUDGED.filter(record="x"), CURVES).is_empty()
