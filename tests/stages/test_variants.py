"""Runs with settings of their own in a study, at the sizes of `smoke`."""

import os
import shutil
from dataclasses import replace

import pytest
from pydantic import ValidationError
from smoke_fixtures import OF_ALL_CURVES

from overopt.analysis.averages import plain_curves
from overopt.analysis.curves import read
from overopt.engine.runner import make_runtime
from overopt.engine.store import Store
from overopt.plan.prices import price
from overopt.plan.study_plan import plan
from overopt.study.study import load_study, parse_study

GRID = {"models": ["1k"], "pairs": [640], "seeds": 1}
GRPO = {"leave_one_out": 4, "group_scaled": True, "whiten": False}
VARIANTS = [
    {"grid": GRID, "settings": {"groups of 4": GRPO, "compared": {"compared_with": 2}}},
    {"grid": GRID, "settings": {"adaptive": {"kl_target": 1.0}}, "kl_penalties": [0.2]},
]
FIELDS = load_study("smoke").model_dump(mode="json")
SMOKE = plan(load_study("smoke"))
STUDY = parse_study(FIELDS | {"variants": VARIANTS})
STAGES = {stage.title: stage for stage in plan(STUDY).stages}
OF = "1k, 640 pairs, seed 0"
GROUPS, COMPARED = f"GRPO {OF}, groups of 4", f"PPO {OF}, compared"
ADAPTIVE = f"PPO {OF}, adaptive, penalty 0.2"
NEW = {GROUPS, COMPARED, ADAPTIVE}


def test_they_add_their_runs_and_change_none():
    assert set(STAGES) - {stage.title for stage in SMOKE.stages} == NEW
    for stage in SMOKE.stages:
        assert (STAGES[stage.title].key == stage.key) == (stage.title not in OF_ALL_CURVES)
    plain = STAGES[f"PPO {OF}"]
    for title in NEW:
        assert STAGES[title].parents == plain.parents
        fields = set(STAGES[title].spec["ppo"]) - set(plain.spec["ppo"])
        assert fields
        assert {"setting"} == set(STAGES[title].spec["curve"]) - set(plain.spec["curve"])


def test_without_a_value_model_a_run_costs_less_and_with_comparisons_more():
    plain, groups, compared = (price(STAGES[title], 256) for title in (f"PPO {OF}", GROUPS, COMPARED))
    assert groups.rest < plain.rest
    assert groups.samples == plain.samples
    assert compared.samples - plain.samples == 2 * STUDY.ppo.run.prompts


@pytest.mark.parametrize(
    ("variant", "named"),
    [
        ({"settings": {"a": {"clop": 1}}}, "variants.settings.a: found clop = 1"),
        ({"settings": {"a": {}}}, "variants.settings.a: found the study's own run, expected another"),
        ({"settings": {"a": {"kl_target": 2.0}}}, "settings.a: found kl_target and no kl_penalties to start from"),
        ({"settings": {"a": {"score_clip": 1.0}}, "grid": GRID | {"seeds": 9}}, "variants.grid: found 1k, 640 pairs"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named_in_one_sentence(variant, named):
    with pytest.raises(ValidationError, match=named):
        parse_study(FIELDS | {"variants": [{"grid": GRID} | variant]})


@pytest.mark.xdist_group("smoke")
def test_their_curves_are_told_apart_and_are_in_no_verdict(smoke_store, tmp_path):
    root = tmp_path / "store"
    shutil.copytree(smoke_store, root, copy_function=os.link)
    store, runtime = Store(root), replace(make_runtime("cpu", workers=1), store=root)
    for title in NEW:
        store.compute(STAGES[title], runtime)
    for title in OF_ALL_CURVES:
        store.compute(STAGES[title], runtime)
    curves = read(store.path(STAGES["tables"]) / "curves.parquet")
    told = curves.filter(curves["setting"].is_not_null()).select("method", "setting", "kl_penalty").unique()
    assert sorted(told.rows()) == [
        ("grpo", "groups of 4", 0.0),
        ("ppo", "adaptive", 0.2),
        ("ppo", "compared", 0.0),
    ]
    plain = plain_curves(curves, STUDY.models[STUDY.policy].parameters)
    assert plain["setting"].null_count() == plain.height > 0
    start = curves.filter(
        step=0, seed=0, rm_params=896, pairs=640, policy_params=STUDY.models[STUDY.policy].parameters
    )
    assert start["gold"].n_unique() == 1  # all start from the same policy
