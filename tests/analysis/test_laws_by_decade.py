"""Slopes of coefficients across decades: those that synthetic curves were made with, and others' by hand."""

import math

import fake_results
import numpy as np
import pytest
from fake_evidence import evidence

from overopt.analysis import laws_by_decade


@pytest.fixture(scope="module")
def ours():
    return evidence()


def row(table, **which):
    (found,) = table.filter(**which).iter_rows(named=True)
    return found


def test_the_slopes_are_those_that_the_curves_were_made_with(ours):
    found = laws_by_decade.slopes(ours)
    x = np.log10(fake_results.SIZES)
    for coefficient, made in (("alpha", fake_results.ALPHA_BON), ("beta", fake_results.BETA_BON)):
        of_size = row(found, source="here", method="bon", along="size", coefficient=coefficient)
        assert of_size["slope"] == pytest.approx(np.polyfit(x, made, 1)[0], abs=0.03)
        assert of_size["slope_low"] < of_size["slope"] < of_size["slope_high"]
        assert of_size["points"] == 4
        assert of_size["decades"] == pytest.approx(x[-1] - x[0])
    alpha = row(found, source="here", method="bon", along="size", coefficient="alpha")
    assert alpha["slope_low"] > 0.05  # it rises, by 0.13 a decade


def test_sizes_are_shares_of_golds_own(ours):
    found = laws_by_decade.points(ours)
    gold = ours.results.chain["gold"]["params"]
    mine = found.filter(source="here", method="ppo", coefficient="alpha", along="size")
    assert mine["relative"].to_list() == [size / gold for size in fake_results.SIZES]
    paper = found.filter(source="paper", method="bon", coefficient="beta")
    assert paper["relative"].to_list() == [3e6 / 6e9, 3e9 / 6e9]
    assert paper["value"].to_list() == [0.12, 0.09]


def test_others_slopes_are_those_by_hand_and_have_no_interval(ours):
    found = laws_by_decade.slopes(ours)
    paper = row(found, source="paper", method="bon", coefficient="alpha")
    assert paper["slope"] == pytest.approx((0.66 - 0.49) / 3)
    assert paper["slope_low"] is None
    pairs = row(found, source="replication", coefficient="alpha")
    x = [math.log10(n) for n in (500, 1000, 4000, 8000, 60_000)]
    assert pairs["slope"] == pytest.approx(np.polyfit(x, (0.386, 0.461, 0.616, 0.741, 0.913), 1)[0])
    assert (pairs["along"], pairs["least"], pairs["most"]) == ("pairs", 500, 60_000)


def test_what_nobody_knows_has_no_row(ours):
    found = laws_by_decade.slopes(ours)
    assert found.filter(source="paper", method="ppo")["coefficient"].to_list() == ["beta"]
    assert found.filter(source="here", along="pairs").is_empty()  # one number of pairs makes no line
    one = laws_by_decade.slopes(evidence(sizes=1))
    assert one.filter(source="here").is_empty()
    assert one.height == 5
