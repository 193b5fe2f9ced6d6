"""The tables of what helps, against the worlds that their numbers came from."""

from dataclasses import replace

import fake_evidence
import numpy as np
import polars as pl
import pytest

from overopt.analysis import method_worlds, what_helps
from overopt.analysis.evidence import Evidence
from overopt.analysis.method_runs import MethodRuns
from overopt.analysis.method_worlds import AS_CLAIMED, Arm


@pytest.fixture(scope="module")
def plain():
    return fake_evidence.evidence().results


@pytest.fixture(scope="module")
def drawn(plain):
    return method_worlds.draw(AS_CLAIMED, plain)


@pytest.fixture(scope="module")
def table(drawn):
    return what_helps.table(Evidence(drawn).method_runs, drawn)


def row(table, method, noise=0.0):
    return table.row(by_predicate=(pl.col("method") == method) & (pl.col("label_noise") == noise), named=True)


def test_every_method_has_one_row_and_the_best_stands_first(table):
    assert table.select("method", "label_noise").is_duplicated().sum() == 0
    assert table.filter(label_noise=0.0).height == 18
    assert table.filter(label_noise=0.0)["gold"].is_sorted(descending=True)
    assert table["label_noise"].is_sorted()


@pytest.mark.parametrize(
    ("method", "arm", "d"),
    [
        ("best-of-n", Arm("bon"), 1 / 0.68),
        ("PPO", Arm("ppo"), np.exp(0.8 / 0.5 - 1)),
        ("PPO, mean of 5", Arm("ppo", "mean of 5"), np.exp(0.8 / 0.5 - 1)),
    ],
)
def test_the_highest_gold_is_that_of_the_world(table, method, arm, d):
    """Choosing elsewhere costs a little and gains nothing: the truth lies in the interval, which is narrow."""
    truth = float(AS_CLAIMED.gold(arm, np.array([d]))[0])
    found = row(table, method)
    assert found["gold_low"] - 0.05 < truth < found["gold_high"] + 0.05
    assert found["gold_high"] - found["gold_low"] < 0.5
    assert found["kl"] == pytest.approx(d**2, rel=0.4)


def test_gold_at_ten_nats_is_there_where_every_run_came_so_far(table):
    assert row(table, "best-of-n")["at_ten"] is None
    truth = float(AS_CLAIMED.gold(Arm("ppo"), np.sqrt([10.0]))[0])
    found = row(table, "PPO")
    assert found["at_ten_low"] < truth + 0.05
    assert found["at_ten_high"] > truth - 0.05


def test_differences_are_to_plain_methods_on_shared_seeds(table):
    assert row(table, "PPO")["over_ppo"] is None
    assert row(table, "best-of-n")["over_bon"] is None
    better = row(table, "PPO, worst of 5, KL penalty")
    assert better["over_ppo_low"] > 0
    assert better["over_bon_low"] > 0
    assert (
        row(table, "best-of-n, worst of 5", method_worlds.NOISE)["over_ppo"] is None
    )  # not run with flipped labels
    alike = row(table, "PPO, KL penalty")
    assert alike["over_ppo_low"] < 0.1
    assert alike["over_ppo_high"] > -0.1


def test_the_setting_shown_is_the_one_most_seeds_chose(table):
    assert row(table, "soft best-of-n")["setting"] in method_worlds.TEMPERATURES
    assert row(table, "best-of-n")["setting"] == ""


def test_gamma_is_an_area_between_two_lines(table):
    d = np.linspace(0, 3, 50)
    assert what_helps.gamma(d, d, d) == 0
    assert what_helps.gamma(d, 2 * d, d) == pytest.approx(0.5)
    found = row(table, "best-of-n")
    d = np.linspace(0, method_worlds.BON_REACH, 16)
    truth = what_helps.gamma(d, AS_CLAIMED.gold(Arm("bon"), d), 0.9 * d)
    assert found["gamma_low"] < truth < found["gamma_high"]
    assert row(table, "DPO")["gamma"] is None


def test_curves_are_of_the_best_setting_with_their_interval(drawn):
    curves = what_helps.curves(MethodRuns(drawn))
    assert curves["method"].n_unique() == 18
    assert (curves["low"] <= curves["gold"] + 1e-9).all()
    assert (curves["high"] >= curves["gold"] - 1e-9).all()
    soft = curves.filter(method="soft best-of-n")
    assert soft["setting"].unique().to_list() in [[name] for name in method_worlds.TEMPERATURES]
    assert soft["kl"].is_sorted()


def test_minutes_are_those_of_the_kind_of_stage(drawn):
    costs = {"ppo": {"seconds": 6_000.0, "memory": 1.0}, "direct": {"seconds": 60.0, "memory": 1.0}}
    known = replace(drawn, record=drawn.record | {"costs": costs})
    runs = drawn.curves.filter(method="ppo")["record"].n_unique()
    assert what_helps.minutes_a_run(known, "ppo") == pytest.approx(100 / runs)
    direct = drawn.curves.filter(pl.col("method").is_in(["dpo", "ipo"]))["record"].n_unique()
    assert what_helps.minutes_a_run(known, "dpo") == pytest.approx(1 / direct)
    assert what_helps.minutes_a_run(known, "bon") is None
    assert what_helps.minutes_a_run(known, "rft") is None


def test_a_study_of_plain_methods_has_a_row_for_each(plain):
    found = what_helps.table(Evidence(plain).method_runs, plain)
    assert sorted(found["method"]) == ["PPO", "best-of-n"]
    nothing = replace(plain, curves=plain.curves.clear())
    assert what_helps.table(MethodRuns(nothing), nothing).is_empty()
    assert what_helps.curves(MethodRuns(nothing)).is_empty()
