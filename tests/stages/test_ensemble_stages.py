"""Ensembles and averaged proxies from their members to their curves, on the policy, gold and pairs of `smoke`."""

import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from overopt.analysis import results
from overopt.analysis.evidence import Evidence
from overopt.engine import runner
from overopt.engine.store import Store
from overopt.models.build import load_reward_model
from overopt.plan.registry import Graph
from overopt.plan.stage_specs import AveragedProxySpec, BestOfNSpec, EnsembleSpec
from overopt.plan.study_plan import plan
from overopt.rewards.joined import JOINS
from overopt.rewards.pairs import split
from overopt.rewards.scoring import Scale, scale_head, score
from overopt.stages import ppo, tables
from overopt.stages.pairs import load_pairs
from overopt.study.study import load_study, parse_study
from overopt.util.files import read_json

pytestmark = pytest.mark.xdist_group("smoke")

GRID = {"models": ["1k"], "pairs": [640], "seeds": 2}
LABELS = {
    "mean": "mean of 2",
    "worst": "worst of 2",
    "variance": "variance of 2, weight 0.5",
    "weights": "weights of 2",
}
OF = "1k, 640 pairs, seed 0"
MEMBERS = ("1k, 640 pairs, seed 0", "1k, 640 pairs, seed 1")


def study_of(**run):
    """`smoke` with a second seed of one proxy, joined with the first in every way; two steps of PPO for one."""
    fields = load_study("smoke").model_dump(mode="json")
    fields["proxies"]["grids"].append(GRID)
    fields["ppo"] |= {"grids": [], "run": fields["ppo"]["run"] | {"max_steps": 2} | run}
    fields |= {"far_best_of_n": None, "other_policies": None, "iterated": None}
    del fields["ppo_sweep"]
    ppo = {"ppo": ["worst"], "kl_penalties": [0.1]}
    fields["watchers"] = 1
    return parse_study(
        fields | {"ensembles": {"grid": GRID, "members": 2, "joins": list(LABELS), "weight": 0.5} | ppo}
    )


STUDY = study_of()
STAGES = {stage.title: stage for stage in plan(STUDY).stages}


def computed(store, stage):
    """The folder of `stage`, which is computed with all that it needs."""
    if store.problem(stage):
        for parent in stage.parents.values():
            computed(store, parent)
        store.compute(stage, replace(runner.make_runtime("cpu", workers=1), store=store.root))
    return store.path(stage)


@pytest.fixture(scope="module")
def store(smoke_store, tmp_path_factory):
    """A copy of the store of `smoke`, which has the first member, the pool and the pairs."""
    return Store(shutil.copytree(smoke_store, tmp_path_factory.mktemp("ensembles") / "store"))


def copies(store, count):
    """An ensemble that has the same proxy `count` times, and best-of-n against it."""
    proxy, curve = STAGES[f"proxy {OF}"], STAGES[f"best-of-n {OF}"]
    parents = {f"member_{k}": proxy for k in range(count)} | {f"scale_{k}": curve for k in range(count)}
    spec = EnsembleSpec(members=count, validation=STUDY.pairs.validation, join="mean")
    made = Graph().add("ensemble", "copies", spec, **parents, pairs=STAGES["labelled pairs"])
    return made, against(made, f"mean of {count}")


def against(proxy, ensemble):
    """Best-of-n against `proxy`, else as against a single one."""
    single = STAGES[f"best-of-n {OF}"]
    spec = BestOfNSpec.model_validate(single.spec)
    spec = spec.model_copy(update={"curve": spec.curve.model_copy(update={"ensemble": ensemble})})
    return Graph().add("best_of_n", "again", spec, **dict(single.parents) | {"proxy": proxy})


def test_five_copies_of_a_proxy_are_that_proxy(store):
    ensemble, curve = copies(store, 5)
    single, joined = (
        pl.read_parquet(computed(store, stage) / "curve.parquet")
        for stage in (STAGES[f"best-of-n {OF}"], curve)
    )
    assert joined["ensemble"].unique().to_list() == ["mean of 5"]
    assert single["gold"].to_list() == joined["gold"].to_list()  # the same sample is the best, whatever n
    np.testing.assert_allclose(single["proxy"], joined["proxy"], atol=2e-5)
    assert single["proxy"].max() > 0.1
    assert read_json(store.path(curve) / "proxy_scale.json") == {
        "gain": pytest.approx(1, abs=2e-6),
        "bias": pytest.approx(0, abs=2e-6),
    }
    alone, together = (read_json(store.path(s) / "metrics.json") for s in (STAGES[f"proxy {OF}"], ensemble))
    assert together["validation_accuracy"] == alone["validation_accuracy"]


def test_two_copies_averaged_are_that_proxy(store):
    proxy = STAGES[f"proxy {OF}"]
    parents = {"member_0": proxy, "member_1": proxy, "pairs": STAGES["labelled pairs"]}
    spec = AveragedProxySpec(members=2, validation=STUDY.pairs.validation)
    averaged = Graph().add("averaged_proxy", "copies averaged", spec, **parents)
    folders = [computed(store, stage) for stage in (proxy, averaged)]
    first, second = (load_file(folder / "margins.safetensors") for folder in folders)
    assert torch.equal(first["proxy"], second["proxy"])
    assert torch.equal(first["gold"], second["gold"])
    models = [load_file(folder / "model" / "model.safetensors") for folder in folders]
    assert all(torch.equal(models[0][name], weight) for name, weight in models[1].items())


@pytest.mark.parametrize("how", list(JOINS))
def test_margins_are_those_of_both_texts_scored_and_joined(store, how):
    stage = STAGES[f"proxies 1k, 640 pairs, seed 0 to 1, {LABELS[how]}"]
    found = load_file(computed(store, stage) / "margins.safetensors")
    _, held_out = split(load_pairs(store.path(STAGES["labelled pairs"])), STUDY.pairs.validation)
    models = [load_reward_model(store.path(STAGES[f"proxy {member}"]) / "model") for member in MEMBERS]
    scales = [Scale.load(store.path(STAGES[f"best-of-n {member}"]), "proxy") for member in MEMBERS]
    sides = []
    for side in (held_out.first, held_out.second):
        on_scale = [
            scale.gain * score(model, side).double().numpy() + scale.bias
            for model, scale in zip(models, scales, strict=True)
        ]
        low, high = np.minimum(*on_scale), np.maximum(*on_scale)
        middle, spread = (low + high) / 2, ((high - low) / 2) ** 2
        sides.append({"mean": middle, "worst": low, "variance": middle - 0.5 * spread}[how])
    np.testing.assert_allclose(found["proxy"], sides[0] - sides[1], atol=1e-5)
    np.testing.assert_allclose(found["gold"], held_out.margin.double())
    metrics = read_json(store.path(stage) / "metrics.json")
    signed = np.where(held_out.margin > 0, 1, -1) * (sides[0] - sides[1])
    right = np.where(abs(signed) < 1e-6, 0.5, signed > 0)  # equal texts are neither
    assert metrics["validation_accuracy"] == pytest.approx(right.mean())
    assert metrics["validation_loss"] == pytest.approx(np.log1p(np.exp(-signed)).mean(), abs=1e-5)
    assert (
        metrics["parameters"] == read_json(store.path(STAGES[f"proxy {OF}"]) / "metrics.json")["parameters"]
    )
    assert (metrics["members"], metrics["join"]) == (2, how)


def test_weights_are_the_mean_of_members_that_started_alike(store):
    averaged = STAGES["proxies 1k, 640 pairs, seed 0 to 1, weights of 2"]
    folder = computed(store, averaged)
    members = [
        load_file(store.path(averaged.parents[f"member_{k}"]) / "model" / "model.safetensors") for k in (0, 1)
    ]
    found = load_file(folder / "model" / "model.safetensors")
    for name, weight in found.items():
        torch.testing.assert_close(weight, (members[0][name] + members[1][name]) / 2)
    apart = {start: (members[0]["score.weight"] - other["score.weight"]).norm() for start, other in {
        "same": members[1], "own": load_file(store.path(STAGES[f"proxy {MEMBERS[1]}"]) / "model" / "model.safetensors"),
    }.items()}  # fmt: skip
    assert 0 < apart["same"] < apart["own"]


def test_curves_of_every_ensemble_stand_in_the_tables_and_in_no_verdict(store, monkeypatch):
    monkeypatch.setattr(
        tables.describe_models, "described", lambda job, study: {}
    )  # takes longest, and is as before
    found = results.read(computed(store, STAGES["tables"]), STUDY)
    joined = found.curves.filter(pl.col("ensemble") != "single")
    assert dict(joined.group_by("ensemble").agg(pl.col("method").unique().sort()).iter_rows()) == {
        LABELS["mean"]: ["bon", "tilt"],
        LABELS["worst"]: ["bon", "ppo", "tilt"],
        LABELS["variance"]: ["bon", "tilt"],
        LABELS["weights"]: ["bon", "tilt"],
    }
    assert set(joined.select("rm_params", "pairs", "epochs", "seed").unique().iter_rows()) == {
        (STUDY.models["1k"].parameters + 8, 640, 1, 0)
    }
    best = {label: joined.filter(ensemble=label, method="bon") for label in LABELS.values()}
    assert len({tuple(curve["gold"]) for curve in best.values()}) == len(LABELS)
    assert np.ptp([curve.filter(n=1)["gold"][0] for curve in best.values()]) < 1e-9
    ppo = joined.filter(ensemble=LABELS["worst"], method="ppo")
    assert ppo["step"].to_list()[-1] == 2
    assert ppo["kl_penalty"].unique().to_list() == [0.1]
    assert ppo["kl"][-1] > 0
    assert (ppo["spread"] > 0).all()
    assert (ppo["base_log_prob"] < 0).all()
    assert joined.filter(method="bon")["spread"].null_count() == joined.filter(method="bon").height
    # what describes proxies, and what claims are judged by, is of single ones
    assert (
        found.proxies.height
        == found.curves.filter(ensemble="single", method="bon")
        .filter(pl.col("pairs") > 0)["record"]
        .n_unique()
    )
    assert Evidence(found).curves["ensemble"].unique().to_list() == ["single"]


def test_ppo_learns_from_the_joined_score(store, monkeypatch):
    """Its value model starts as the first member, on the scale that it has in the ensemble."""
    started = []

    def noted(model, scale):
        started.append((model.score.weight.clone(), scale))
        scale_head(model, scale)

    monkeypatch.setattr(ppo, "scale_head", noted)
    stages = {stage.title: stage for stage in plan(study_of(value_from="proxy")).stages}
    run = stages[f"PPO {OF}, worst of 2, penalty 0.1"]
    assert "value_model" not in run.parents
    curve = pl.read_parquet(computed(store, run) / "curve.parquet")
    (weight, scale), member = started[0], store.path(STAGES[f"proxy {OF}"])
    assert torch.equal(weight, load_file(member / "model" / "model.safetensors")["score.weight"])
    outer, own = (
        Scale.load(store.path(of), "proxy") for of in (run.parents["scale"], STAGES[f"best-of-n {OF}"])
    )
    assert scale.gain == pytest.approx(outer.gain * own.gain)
    assert curve["step"].to_list()[-1] == 2
    assert curve["proxy"].is_finite().all()
