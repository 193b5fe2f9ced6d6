"""Turned labels beside labels as gold gave them: the cells that have both, and where gold falls."""

import fake_results
import polars as pl
import pytest
from fake_evidence import evidence

from overopt.analysis import turned_labels
from overopt.report import falls

LARGE, SMALL = fake_results.SIZES[-1], fake_results.SIZES[0]


def noisy(table):
    """The two tables of a study with turned labels for two sizes, against which gold collapses."""
    which = pl.col("record").str.contains(f"bon-{LARGE}-|bon-{SMALL}-")
    fall = pl.when(pl.col("n") > 64).then(pl.col("gold") - 2).otherwise("gold")
    other = table.filter(which).with_columns(record=pl.col("record") + "-turned", gold=fall)
    if "label_noise" in table.columns:
        other = other.with_columns(label_noise=pl.lit(0.25), rm_accuracy=pl.lit(0.6))
    return pl.concat([table, other])


def test_only_cells_that_have_turned_labels_are_shown_with_those_beside_them_that_have_none():
    found = turned_labels.peaks(evidence(noisy))
    assert found.select("rm_params", "label_noise").rows() == [
        (SMALL, 0.0),
        (SMALL, 0.25),
        (LARGE, 0.0),
        (LARGE, 0.25),
    ]
    turned = found.filter(label_noise=0.25)
    assert turned["falls"].all()
    assert turned["accuracy"].to_list() == [0.6, 0.6]
    assert turned["end_gold"].to_list() == pytest.approx([gold - 2 for gold in _ends(found)], abs=0.1)
    largest = turned_labels.of_largest(evidence(noisy))
    assert largest.curves["rm_params"].unique().to_list() == [LARGE]
    assert largest.values("bon") == [0.0, 0.25]


def _ends(found):
    return found.filter(label_noise=0.0)["end_gold"].to_list()


def test_the_sentence_counts_falls_by_share_and_says_nothing_without_turned_labels():
    said = falls.say_turned(turned_labels.peaks(evidence(noisy)))
    clean = sum(turned_labels.peaks(evidence(noisy)).filter(label_noise=0.0)["falls"])
    assert said.endswith(
        f"without flipped labels for {clean} of 2 proxies, with 25% of the labels flipped for 2 of 2 proxies."
    )
    assert turned_labels.of_largest(evidence()) is None
    assert falls.say_turned(turned_labels.peaks(evidence())) == ""
