"""Slices of the smoke study's curves: they differ in what they say, and in nothing else."""

from dataclasses import replace

import fake_results
import numpy as np
import polars as pl
import pytest
from fake_evidence import evidence

from overopt.analysis import figure_tables, frontier, goodhart, results
from overopt.analysis.curves import STRICTNESS
from overopt.analysis.evidence import Evidence
from overopt.engine.store import Store
from overopt.plan.study_plan import plan
from overopt.study.study import load_study

pytestmark = pytest.mark.xdist_group("smoke")

FIXED = ("method", "policy_params", "rm_params", "pairs", "epochs", "rounds", "kl_penalty")


@pytest.fixture(scope="module")
def e(smoke_store):
    study = load_study("smoke")
    return Evidence(results.read(Store(smoke_store).path(plan(study).tables), study))


def differing(curves, method):
    """The columns that the curves of one method differ in."""
    part = curves.filter(method=method)
    return {name for name in FIXED if part[name].n_unique() > 1}


def test_a_slice_differs_in_one_thing(e):
    assert differing(e.sizes.curves, "bon") == differing(e.sizes.curves, "ppo") == {"rm_params"}
    assert e.sizes.curves["pairs"].unique().to_list() == [640]
    assert e.data_sizes == [896, 7296]
    assert differing(e.data(896).curves, "bon") == {"pairs"}
    assert e.policy_proxies == e.penalty_proxies == [896]
    assert (
        differing(e.policies(896).curves, "ppo")
        == differing(e.policies(896).curves, "bon")
        == {"policy_params"}
    )
    assert e.policies_by_ppo(0).curves.equals(e.policies(896).curves)
    assert differing(e.penalties(896).curves, "ppo") == {"kl_penalty"}
    assert e.penalties(896).curves["seed"].unique().to_list() == [0]


def test_policies_by_ppo_are_those_that_ppo_has(e):
    """Best-of-n of several policies against a smaller proxy is no PPO of several policies."""
    smaller = e.results.curves.filter(pl.col("rm_params") == 896, method="bon", pairs=640)
    smaller = smaller.with_columns(rm_params=pl.lit(5, dtype=pl.Int64), record="smaller-" + pl.col("record"))
    more = Evidence(replace(e.results, curves=pl.concat([e.results.curves, smaller])))
    assert more.policy_proxies == [5, 896]
    assert more.policies_by_ppo(0).curves["rm_params"].unique().to_list() == [896]
    assert more.policies_by_ppo(1).curves.is_empty()
    assert set(figure_tables.rezeroed(more)["policy_params"]) == {888, 7272}
    none = more.results.curves.filter(pl.col("method") == "bon")
    bare = Evidence(replace(e.results, curves=none))
    assert bare.policies_by_ppo(0).curves.is_empty()
    assert figure_tables.rezeroed(bare).is_empty()


def test_no_slice_holds_what_it_should_not(e):
    assert set(e.plain["method"]) == {"bon", "ppo"}
    assert (e.plain["pairs"] > 0).all()  # gold as its own proxy is no proxy
    assert set(e.curves["method"]) == {"bon", "ppo", "tilt"}
    assert e.grid.select("rm_params", "pairs").rows() == [
        (s, p) for s in (896, 7296) for p in (160, 320, 640)
    ]


def test_epochs_and_rounds(e):
    assert e.epochs.select("pairs", "epochs").rows() == [(160, 1), (320, 1), (320, 2), (640, 1)]
    assert e.rounds["rounds"].to_list() == [1, 2]
    two = e.curves.filter(rounds=2)
    # a later round knows its own KL and that from the beginning
    assert two.filter(round=1)["kl_round"].null_count() == two.filter(round=1).height
    later = two.filter(round=2).sort("step")
    assert later["kl_round"][0] == 0 < later["kl"][0]
    # where the second round begins, the first has ended
    assert later["kl"][0] == pytest.approx(two.filter(round=1).sort("step")["kl"][-1], rel=0.5)


def test_every_curve_is_judged_by_the_parts_of_gold_and_by_other_gates(e):
    judged = e.curves.filter(pl.col("method") != "tilt")
    for name in (*STRICTNESS, "rating", "gate"):
        assert judged[name].null_count() == 0, name
    for name in STRICTNESS:
        assert judged[f"{name}_se"].is_finite().all()
        assert (judged[name] != judged["gold"]).any()
    assert judged["gate"].is_between(0, 1).all()
    assert judged["gold_second"].null_count() == judged.height  # there is one gold


def test_the_frontier_is_above_best_of_n_and_ppo(e):
    tilt = e.curves.filter(pl.col("ess") >= frontier.ENOUGH, method="tilt", pairs=640)
    assert tilt.height > 2
    for row in tilt.iter_rows(named=True):
        same = e.sizes.curves.filter(method="bon", rm_params=row["rm_params"], seed=row["seed"])
        nearest = same.with_columns(gap=(pl.col("kl") - row["kl"]).abs()).sort("gap").row(0, named=True)
        assert nearest["gap"] < 1e-3
        assert row["proxy"] > nearest["proxy"]
    table = frontier.table(e)
    assert (table["proxy_tilt"] >= table["proxy_bon"] - 1e-9).all()


def test_gold_is_the_best_proxy_of_itself(e):
    best = goodhart.perfect(e)["gold"].to_list()
    for size in (896, 7296):
        mine = e.sizes.of("bon").filter(rm_params=size).sort("kl")["gold"].to_list()
        assert all(high >= low - 1e-9 for high, low in zip(best, mine, strict=True))
    loss = goodhart.losses(e)
    assert (loss["regressional"] + loss["extremal"] + loss["gold"] - loss["perfect"]).abs().max() < 1e-9


def test_far_laws_are_fitted_on_the_near_side(e):
    line = figure_tables.largest_kl(e)
    far = figure_tables.far_means(e)
    assert far["kl"].max() > line
    assert figure_tables.far_law_lines(e)["kl"].max() == pytest.approx(far["kl"].max())


def test_a_penalised_run_is_compared_at_its_end_and_when_it_first_came_near(e):
    row = figure_tables.penalty_ends(e).row(0, named=True)
    run = e.curves.filter(kl_penalty=row["kl_penalty"], rm_params=row["rm_params"]).sort("step")
    assert (row["kl"], row["gold"]) == (run["kl"][-1], run["gold"][-1])
    near = run.filter(pl.col("kl") >= 0.8 * row["kl"])
    assert (row["gold_first"], row["gold_se_first"]) == (near["gold"][0], near["gold_se"][0])


@pytest.mark.parametrize("reach", [9.0, 4.0])
def test_rounds_are_told_where_no_single_run_came_so_far(reach):
    """Two rounds of a distance of 3 that follow the formula, beside single runs that stop at the distance `reach`."""
    size, d, step = fake_results.SIZES[0], np.linspace(0, 3, 7), pl.col("step")
    alpha, beta = 0.6, 0.3

    def by_the_law(table):
        distance = step / 300
        gold = distance * (alpha - beta * distance.clip(0.01).log())
        return table.filter(step.is_null() | (distance <= reach)).with_columns(
            gold=pl.when(step.is_null()).then("gold").otherwise(gold),
            kl=pl.when(step.is_null()).then("kl").otherwise(distance**2),
        )

    e = evidence(by_the_law)
    first = d * (alpha - beta * np.log(np.maximum(d, 0.01)))
    like = e.sizes.curves.filter(method="ppo", rm_params=size, seed=0)[: len(d)]
    rounds = [
        like.with_columns(
            rounds=pl.lit(2, dtype=pl.Int64),
            round=pl.lit(k, dtype=pl.Int64),
            record=pl.lit(f"round-{k}"),
            step=pl.Series(range(len(d))),
            kl=pl.Series(d**2),
            kl_round=pl.Series(d**2) if k == 2 else None,
            gold=pl.Series(first + (k - 1) * first[-1]),
        )
        for k in (1, 2)
    ]
    whole = replace(e.results, curves=pl.concat([e.results.curves, *rounds]))
    table = Evidence(whole).rounds
    assert table["rounds"].to_list() == ([1, 2] if reach > 6 else [2])
    two = table.filter(rounds=2).row(0, named=True)
    assert two["path"] == pytest.approx(6)
    assert two["predicted"] == pytest.approx(6 * (alpha - beta * np.log(6) + beta * np.log(2)))
    assert two["gold"] == pytest.approx(two["predicted"])
