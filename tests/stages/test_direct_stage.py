"""Direct alignment in a study, at the sizes of `smoke`: beside the other methods, on the same axes."""

import os
import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from safetensors.torch import load_file
from smoke_fixtures import OF_ALL_CURVES

from overopt.analysis import fitted_laws, results
from overopt.analysis.averages import plain_curves
from overopt.analysis.curves import read, read_by_prompt
from overopt.analysis.evidence import Evidence
from overopt.analysis.groups import PENALTIES
from overopt.engine.runner import make_runtime
from overopt.engine.store import Store
from overopt.models.build import load_language_model
from overopt.models.log_probs import total_log_probs
from overopt.models.samples import Samples
from overopt.optimisers.direct import look_steps
from overopt.plan.costs import size
from overopt.plan.prices import price
from overopt.plan.study_plan import plan
from overopt.rewards.pairs import draw, of_different_texts, split
from overopt.stages.pairs import load_pairs
from overopt.study.study import load_study, parse_study

LOSSES = ("dpo", "ipo", "slic")
RUN = {"epochs": 2, "batch": 32, "learning_rate": 3e-4, "looks": 5, "evaluation_samples": 4}
DIRECT = {"losses": LOSSES, "betas": [0.2], "pairs": [320], "seeds": 1, "run": RUN}
SMOKE = plan(load_study("smoke"))
STUDY = parse_study(load_study("smoke").model_dump(mode="json") | {"direct": DIRECT})
STAGES = {stage.title: stage for stage in plan(STUDY).stages}
TITLES = {loss: f"{loss.upper()} 7k, 320 pairs, 2 epochs, seed 0, beta 0.2" for loss in LOSSES}


def test_it_adds_its_stages_and_changes_none():
    assert set(STAGES) - {stage.title for stage in SMOKE.stages} == set(TITLES.values())
    for stage in SMOKE.stages:
        assert (STAGES[stage.title].key == stage.key) == (stage.title not in OF_ALL_CURVES)
    stage = STAGES[TITLES["dpo"]]
    assert stage.parents["pairs"].title == "labelled pairs"
    assert stage.parents["policy"].title == "policy 7k"
    assert not {"proxy", "scale", "value_model"} & set(stage.parents)  # there is no other reward model
    assert len({STAGES[title].key for title in TITLES.values()}) == 3


def test_it_costs_what_is_learnt_from_and_looked_at():
    stage = STAGES[TITLES["ipo"]]
    found, seven = price(stage, 256), size(stage)
    looks, of_look, held_out = 1 + 5, 16 * 4, 2 * 80
    assert found.samples == looks * of_look
    asked = 2 * 320 + looks * 4 * of_look + (1 + looks) * (held_out + of_look)
    judged = 3 * looks * of_look  # by the three models of gold
    assert found.tokens == looks * of_look * 12 + (asked + judged + 2 * 2 * 320) * 26
    learnt = 6 * 2 * 2 * 320 * (seven.body * 26 + seven.embeddings * 12)
    read = 2 * asked * (seven.body * 26 + seven.embeddings * 12)
    golds = 3 * 2 * looks * of_look * 26 * (12 * 32**2 + 13 * 32 + 2 * 32)
    assert found.rest == pytest.approx(learnt + read + golds)


@pytest.fixture(scope="module")
def store(smoke_store, tmp_path_factory):
    """The study `smoke` with its three runs; what was there is shared with the store that it comes from."""
    root = tmp_path_factory.mktemp("direct") / "store"
    shutil.copytree(smoke_store, root, copy_function=os.link)
    made, runtime = Store(root), replace(make_runtime("cpu", workers=1), store=root)
    for title in TITLES.values():
        made.compute(STAGES[title], runtime)
    return made


@pytest.fixture(params=LOSSES)
def run(store, request):
    """Loss, folder, curve and its values by prompt, of one run."""
    folder = store.path(STAGES[TITLES[request.param]])
    return request.param, folder, read(folder / "curve.parquet"), read_by_prompt(folder / "by_prompt.parquet")


@pytest.mark.xdist_group("smoke")
def test_a_run_is_a_curve_from_the_policy_on(store, run):
    loss, folder, curve, by_prompt = run
    # so small a policy says much twice: of 320 pairs those of different texts, twice, 32 a step
    training, _ = split(load_pairs(store.path(STAGES["labelled pairs"])), STUDY.pairs.validation)
    steps = 2 * (len(of_different_texts(draw(training, 320, seed=0))) // 32)
    assert curve["step"].to_list() == [0, *look_steps(steps, 5)]
    assert curve.select(
        "method", "kl_penalty", "pairs", "epochs", "rm_params", "kl_kind"
    ).unique().rows() == [(loss, 0.2, 320, 2, STUDY.models["7k"].parameters, "exact")]
    first, last = curve.row(0, named=True), curve.row(-1, named=True)
    assert first["kl"] == 0
    assert first["proxy"] == pytest.approx(0, abs=1e-3)
    assert first["rm_accuracy"] == 0.5
    assert first["rm_loss"] == pytest.approx(np.log(2))
    assert last["kl"] > 0.1
    assert last["proxy"] > 0  # it writes what it prefers
    assert 0 < curve["kl"][1] < last["kl"]
    assert by_prompt.height == 6 * 16
    means = by_prompt.group_by("step").agg(pl.col("gold").mean()).sort("step")["gold"]
    assert means.to_list() == pytest.approx(curve["gold"].to_list())
    texts = pl.read_parquet(folder / "texts.parquet")
    assert texts.height == 6 * len(STUDY.show_prompts)
    assert set(texts["method"]) == {loss}


@pytest.mark.xdist_group("smoke")
def test_it_learns_the_pairs_of_the_proxy_of_that_cell(store, run):
    """The policy that is kept prefers the winners of its own pairs, and says of held-out ones what the curve says."""
    _, folder, curve, _ = run
    policy, before = (
        load_language_model(place / "model") for place in (folder, store.path(STAGES["policy 7k"]))
    )
    training, held_out = split(load_pairs(store.path(STAGES["labelled pairs"])), STUDY.pairs.validation)

    def right(pairs):
        first, second = (
            total_log_probs(policy, side) - total_log_probs(before, side)
            for side in (pairs.first, pairs.second)
        )
        signed = (first - second).where(pairs.first_wins, second - first)
        return ((signed > 0).double() + 0.5 * (signed == 0).double()).mean().item()

    assert right(held_out) == pytest.approx(curve["rm_accuracy"][-1], abs=0.02)
    assert right(draw(training, 320, seed=0)) > max(0.6, right(draw(training, 720, seed=0)[320:]))


@pytest.mark.xdist_group("smoke")
def test_the_law_of_rl_is_fitted_to_it_and_no_claim_sees_it(store):
    runs = [store.path(STAGES[title]) for title in TITLES.values()]
    curves = pl.concat([read(folder / "curve.parquet") for folder in runs])
    by_prompt = pl.concat([read_by_prompt(folder / "by_prompt.parquet") for folder in runs])
    fits = fitted_laws.fitted(curves, by_prompt, PENALTIES, draws=10)
    assert set(fits) == {(loss, 0.2) for loss in LOSSES}
    assert {fit.fit.law.name for fit in fits.values()} == {"rl"}
    assert plain_curves(curves, STUDY.models["7k"].parameters).is_empty()


@pytest.mark.xdist_group("smoke")
def test_base_samples_are_of_every_prompt(store):
    """As many of each as an evaluation draws: the mean that becomes 0 is over the same prompts."""
    from overopt.engine.checkpoint import Checkpoint
    from overopt.engine.stage import Job
    from overopt.plan.stage_specs import DirectSpec
    from overopt.stages.direct import base_samples

    pool = store.path(STAGES["pool"])
    spec = DirectSpec.model_validate(STAGES[TITLES["dpo"]].spec)
    job = Job(
        spec, {"pool": pool}, pool, make_runtime("cpu"), lambda done, total: None, {}, Checkpoint(pool / "c")
    )
    found, whole = base_samples(job), Samples.load(pool / "evaluation.safetensors")
    assert len(found) == 16 * 4
    assert found.ids.tolist() == whole.ids.view(16, 80, -1)[:, :4].flatten(0, 1).tolist()
    assert len(load_file(pool / "gold.safetensors")["evaluation"]) == 16 * 80


@pytest.mark.xdist_group("smoke")
def test_the_tables_of_such_a_study_hold_its_curves_and_the_claims_those_of_smoke(store):
    tables = plan(STUDY).tables
    runtime = replace(make_runtime("cpu", workers=1), store=store.root)
    for title in OF_ALL_CURVES:
        store.compute(STAGES[title], runtime)
    before, after = (results.read(store.path(stage), STUDY) for stage in (SMOKE.tables, tables))
    assert set(after.curves["method"]) == set(before.curves["method"]) | set(LOSSES)
    assert after.curves.filter(pl.col("method").is_in(LOSSES)).height == 3 * 6
    assert set(LOSSES) <= set(after.texts["method"])
    of_claims = [Evidence(of).sizes.curves for of in (before, after)]
    assert of_claims[0].equals(of_claims[1])
    assert of_claims[0].height > 0
