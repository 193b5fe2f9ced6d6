"""Rules that stop without gold: closed forms, and worlds in which a rule must be right or must fail."""

import itertools

import numpy as np
import polars as pl
import pytest

from overopt.analysis import stopping_judged
from overopt.analysis.stopping import RULES, SEEN, seen

KL = np.linspace(0, 5, 26) ** 2  # nats


def world(peak_kl, spread=None, *, cells=16, seeds=1, length=None):
    """Curves of PPO whose gold is highest, at 1 SD, at `peak_kl(cell)` nats."""
    rows = []
    for cell, seed in itertools.product(range(cells), range(seeds)):
        top = np.sqrt(peak_kl(cell))
        for step, kl in enumerate(KL):
            d = np.sqrt(kl) / top
            rows.append(
                {
                    "world": "known",
                    "method": "ppo",
                    "rm_params": 1000 * (cell + 1),
                    "pairs": 9_000,
                    "epochs": 1,
                    "label_noise": 0.0,
                    "kl_penalty": 0.0,
                    "ensemble": "single",
                    "setting": None,
                    "rounds": 1,
                    "round": 1,
                    "seed": seed,
                    "record": f"{cell}-{seed}",
                    "n": None,
                    "step": step,
                    "kl": kl,
                    "gold": d * (2 - d),
                    "gold_se": 0.01,
                    "proxy": np.sqrt(kl),
                    "spread": spread(cell, kl) if spread else None,
                    "length": length(cell, kl) if length else 20.0,
                }
            )
    return pl.DataFrame(rows, schema_overrides={"n": pl.Int64, "spread": pl.Float64, "setting": pl.String})


def regrets(curves):
    found = stopping_judged.by_rule(stopping_judged.by_cell(curves))
    return dict(zip(found["rule"], found["regret"], strict=True))


def test_where_gold_peaks_at_one_kl_a_budget_is_right_and_length_says_nothing():
    found = regrets(world(lambda cell: 4.0, length=lambda cell, kl: 20 + (kl if cell % 2 else 8 * kl)))
    assert found["kl"] < 0.02
    assert found["length"] > 5 * max(found["kl"], 0.01)
    assert found["end"] == pytest.approx(1 - 2.5 * (2 - 2.5))  # at 25 nats d is 2.5 times that of the peak


def test_where_gold_peaks_with_spread_that_is_right_and_a_budget_must_fail():
    peaks = lambda cell: (1.0, 4.0, 12.0, 20.0)[cell % 4]  # noqa: E731
    found = regrets(world(peaks, lambda cell, kl: 0.3 * (1 + kl / peaks(cell))))
    assert found["spread"] < 0.02
    assert found["kl"] > 0.1
    # and where spread goes its own way, it fails as well
    shuffled = regrets(world(peaks, lambda cell, kl: 0.3 * (1 + kl / peaks((7 * cell + 3) // 3))))
    assert shuffled["spread"] > 0.1


def test_failures_come_first_and_are_of_the_held_out_half():
    judged = stopping_judged.by_cell(world(lambda cell: 1.0 if cell < 2 else 16.0))
    failed = stopping_judged.failures(judged)
    assert failed.height
    assert set(failed["half"]) == {"held out"}
    assert failed["regret"].is_sorted(descending=True)
    assert failed["regret"].min() > stopping_judged.LOST
    assert judged["regret"].to_list() == sorted(judged["regret"], reverse=True)


def test_of_each_method_the_rule_of_least_regret_is_kept_with_every_cell():
    judged = stopping_judged.by_cell(world(lambda cell: 1.0 if cell < 2 else 16.0))
    rules = stopping_judged.by_rule(judged)
    kept = stopping_judged.of_nearest(judged, rules)
    assert set(kept["rule"]) == {rules["rule"][0]}
    assert sorted(kept["cell"]) == sorted(set(judged["cell"]))
    assert kept.filter(half="held out")["regret"].mean() == pytest.approx(rules["regret"].min())


def test_nobody_sees_gold_of_the_other_half():
    curves = world(lambda cell: 4.0)
    held_out = [
        name
        for cell in stopping_judged.cells(curves, "ppo")
        if cell.half == "held out"
        for name in [cell.proxy[0]]
    ]
    assert 0 < len(held_out) < 16
    turned = curves.with_columns(
        gold=pl.when(pl.col("rm_params").is_in(held_out)).then(-1.0).otherwise("gold")
    )
    constants = [
        stopping_judged.by_cell(table).select("rule", "constant").unique().sort("rule")
        for table in (curves, turned)
    ]
    assert constants[0].equals(constants[1])
    of_design = curves.with_columns(
        gold=pl.when(pl.col("rm_params").is_in(held_out)).then("gold").otherwise(pl.col("kl"))
    )
    assert (
        not stopping_judged.by_cell(of_design)
        .select("rule", "constant")
        .unique()
        .sort("rule")
        .equals(constants[0])
    )


def test_a_rule_is_given_no_column_of_gold():
    assert not any("gold" in name or name in ("rating", "gate") for name in SEEN)
    curve = world(lambda cell: 4.0, cells=1, seeds=1)
    other = curve.with_columns(gold=-pl.col("gold"))
    for rule in RULES.values():
        if rule.knows(seen(curve)):
            assert rule.stop(seen(curve), rule.tries[5 % len(rule.tries)]) == rule.stop(
                seen(other), rule.tries[5 % len(rule.tries)]
            )


@pytest.mark.parametrize("bend", [0.1, 0.2])
def test_growth_falls_below_its_share_where_calculus_says(bend):
    d = np.linspace(0, 5, 401)  # sqrt(nats): proxy d (1 - bend d / 2) grows by 1 - bend d
    curve = seen(pl.DataFrame({"kl": d**2, "proxy": d * (1 - bend * d / 2)}))
    at = RULES["growth a √nat"].stop(curve, 0.6)
    first = np.sqrt(0.5) / 2  # the start is the growth over the first half nat: that at half its way
    assert d[at] == pytest.approx((1 - 0.6 * (1 - bend * first)) / bend, abs=0.05)


def test_a_straight_proxy_is_never_left_and_one_that_does_not_rise_at_once():
    straight = seen(pl.DataFrame({"kl": KL, "proxy": np.sqrt(KL)}))
    assert RULES["growth a √nat"].stop(straight, 0.9) == len(KL) - 1
    flat = seen(pl.DataFrame({"kl": KL, "proxy": np.zeros(len(KL))}))
    assert RULES["growth a √nat"].stop(flat, 0.1) == 0


def test_likelihood_length_and_entropy_stop_where_they_leave_their_start():
    curve = seen(
        pl.DataFrame(
            {
                "kl": [0.0, 1.0, 2.0, 3.0],
                "base_log_prob": [-40.0, -41.0, -44.0, -50.0],
                "length": [20.0, 21.0, 15.0, 15.0],
                "entropy": [None, 4.0, 3.9, 2.0],  # before the first step nobody measured it
            }
        )
    )
    assert RULES["base likelihood"].stop(curve, 3.0) == 2
    assert RULES["length"].stop(curve, 0.1) == 2
    assert RULES["entropy"].stop(curve, 0.9) == 3


def test_seeds_of_a_cell_are_in_one_half_and_later_columns_move_none():
    curves = world(lambda cell: 4.0, seeds=2)
    cells = stopping_judged.cells(curves, "ppo")
    assert [len(cell.runs) for cell in cells] == [2] * 16
    earlier = [(cell.name, cell.half) for cell in stopping_judged.cells(curves, "ppo")]
    later = curves.with_columns(policy_params=pl.lit(None, dtype=pl.Int64))
    assert [(cell.name, cell.half) for cell in stopping_judged.cells(later, "ppo")] == earlier


def test_a_failure_says_what_was_set_in_its_runs():
    curves = world(lambda cell: 4.0).with_columns(
        ensemble=pl.lit("worst of 5"), kl_penalty=pl.lit(0.01), label_noise=pl.lit(0.25)
    )
    (label,) = set(stopping_judged.failures(stopping_judged.by_cell(curves))["label"])
    assert label == "PPO, worst of 5, penalty 0.01, 25% of labels flipped"


def test_a_proxy_that_gains_nothing_has_no_regret():
    curves = world(lambda cell: 4.0).with_columns(gold=-pl.col("kl"))
    assert stopping_judged.by_cell(curves).is_empty()  # nothing to fit by
    one = world(lambda cell: 4.0).with_columns(
        gold=pl.when(pl.col("rm_params") == 1000).then(-pl.col("kl")).otherwise("gold")
    )
    judged = stopping_judged.by_cell(one).filter(rm_params=1000)
    assert judged.height
    assert judged["regret"].null_count() == judged.height


def test_cells_whose_gold_does_not_rise_are_counted_apart():
    curves = world(lambda cell: 4.0)
    cells = stopping_judged.cells(curves, "ppo")
    held_out = [cell.proxy[0] for cell in cells if cell.half == "held out"]
    fallen = pl.when(pl.col("rm_params") == held_out[0]).then(-pl.col("kl")).otherwise("gold")
    found = stopping_judged.by_rule(stopping_judged.by_cell(curves.with_columns(gold=fallen)))
    assert set(found["cells"]) == {len(held_out) - 1}
    assert set(found["flat"]) == {1}
    assert set(stopping_judged.by_rule(stopping_judged.by_cell(curves))["flat"]) == {0}


def test_rounds_of_rlhf_are_no_cells():
    """The first is the plain run, stopped early: what rules were fitted to."""
    curves = world(lambda cell: 4.0)
    first = curves.filter(pl.col("step") < 9).with_columns(
        rounds=pl.lit(2), record="round 1, " + pl.col("record")
    )
    second = first.with_columns(round=pl.lit(2), record="round 2, " + pl.col("record"))
    both = pl.concat([curves, first.cast(curves.schema), second.cast(curves.schema)])
    assert stopping_judged.by_cell(both).equals(stopping_judged.by_cell(curves))


def test_the_proxy_of_direct_alignment_tells_no_rule_when_to_stop():
    """It is the policy's own reward, on another scale at each point; KL and length are what they are."""
    names = {"growth a nat", "growth a √nat"}
    curves = world(lambda cell: 4.0)
    assert names <= set(stopping_judged.by_cell(curves)["rule"])
    direct = stopping_judged.by_cell(curves.with_columns(method=pl.lit("dpo")))
    assert set(direct["rule"]) == set(stopping_judged.by_cell(curves)["rule"]) - names


def test_a_rule_that_stops_no_run_is_seen_to_stop_none():
    found = stopping_judged.by_rule(stopping_judged.by_cell(world(lambda cell: 25.0)))
    early = dict(zip(found["rule"], found["early"], strict=True))
    assert early["end"] == early["kl"] == 0  # gold rises to the end: no budget that is tried may stop it
    turned = stopping_judged.by_rule(stopping_judged.by_cell(world(lambda cell: 4.0)))
    assert turned.filter(rule="kl")["early"].to_list() == [1.0]
    assert turned.filter(rule="end")["early"].to_list() == [0.0]


def test_a_failure_names_its_rule_as_the_table_of_rules_does():
    judged = stopping_judged.by_cell(world(lambda cell: 1.0 if cell < 2 else 16.0))
    failed, rules = stopping_judged.failures(judged), stopping_judged.by_rule(judged)
    assert set(failed["says"]) <= set(rules["says"])
    assert "never stop" in set(failed["says"])
