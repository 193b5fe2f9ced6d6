"""Coefficients that others found: what the file says, and the lines that follow from it."""

import math

import numpy as np
import pytest

from overopt.analysis import laws_elsewhere
from overopt.estimators.laws import LAWS


def test_every_law_has_a_source_that_says_how_far_to_trust_it():
    named = {source.name for source in laws_elsewhere.sources()}
    assert set(laws_elsewhere.table()["source"]) == named
    assert all(len(source.provenance) > 20 and len(source.says) > 20 for source in laws_elsewhere.sources())


def test_the_replication_by_pairs_is_whole():
    found = laws_elsewhere.table().filter(source=laws_elsewhere.REPRO)
    assert found["pairs"].to_list() == [500, 1000, 4000, 8000, 60_000]
    assert found["alpha"].is_sorted()  # more data, a steeper start


@pytest.mark.parametrize("method", ["bon", "ppo"])
def test_lines_are_the_laws_of_the_smallest_and_the_largest_proxy(method):
    lines = laws_elsewhere.paper_lines(method, 9.0)
    assert sorted(set(lines["rm_params"])) == [3_000_000, 3_000_000_000]
    assert lines["assumed"].all() == (method == "ppo")
    for k, size in enumerate((3_000_000, 3_000_000_000)):
        line = lines.filter(rm_params=size)
        assert (line["kl"][0], line["kl"][-1]) == (0.0, pytest.approx(9.0))
        beta = laws_elsewhere.paper_ends(method, "beta")[k]
        alpha = laws_elsewhere.assumed_alpha_rl()
        if method == "bon":
            alpha = laws_elsewhere.paper_ends("bon", "alpha")[k]
        d = 3.0
        by_hand = d * (alpha - beta * (d if method == "bon" else math.log(d)))
        np.testing.assert_allclose(line["gold"][-1], by_hand)


def test_by_the_assumed_alpha_the_smallest_proxy_comes_as_high_by_rl_as_by_best_of_n():
    alpha, beta = (laws_elsewhere.paper_ends("bon", name)[0] for name in ("alpha", "beta"))
    beta_rl = laws_elsewhere.paper_ends("ppo", "beta")[0]
    rl = LAWS["rl"].peak(laws_elsewhere.assumed_alpha_rl(), beta_rl)
    assert rl[1] == pytest.approx(alpha**2 / (4 * beta))
