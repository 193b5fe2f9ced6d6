"""Softer best-of-n and rejection sampling in a study, at the sizes of `smoke`."""

import os
import shutil
from dataclasses import replace

import polars as pl
import pytest
from safetensors.torch import load_file
from smoke_fixtures import OF_ALL_CURVES

from overopt.analysis import fitted_laws, results
from overopt.analysis.averages import plain_curves
from overopt.analysis.curves import read, read_by_prompt
from overopt.analysis.evidence import Evidence
from overopt.analysis.groups import SIZES
from overopt.engine.runner import make_runtime
from overopt.engine.store import Store
from overopt.estimators.best_of_n import best_of_n_kl
from overopt.estimators.selection import best_of_poisson_kl
from overopt.models.build import load_language_model
from overopt.plan.costs import size
from overopt.plan.prices import price
from overopt.plan.study_plan import plan
from overopt.study.study import load_study, parse_study
from overopt.util.files import read_json

GRID = {"models": ["1k"], "pairs": [640], "seeds": 1}
RUN = {"prompts": 256, "batch": 32, "learning_rate": 1e-3, "max_steps": 5, "max_kl": 20, "spacing": 100.0}
RUN |= {"look_every": 2, "evaluation_samples": 4}
PARTS = {
    "selection": {"grid": GRID, "temperatures": [0.001, 0.5]},
    "rejection": {"grid": GRID, "ns": [2, 4], "run": RUN},
}
SMOKE = plan(load_study("smoke"))
STUDY = parse_study(load_study("smoke").model_dump(mode="json") | PARTS)
STAGES = {stage.title: stage for stage in plan(STUDY).stages}
OF = "1k, 640 pairs, seed 0"
SCORES = f"scores of the pool {OF}"
COLD, WARM = (f"soft best-of-n {OF}, tau {tau}" for tau in ("0.001", "0.5"))
POISSON, RFT = f"best-of-Poisson {OF}", [f"RFT {OF}, best of {n}" for n in (2, 4)]
NEW = {SCORES, COLD, WARM, POISSON, *RFT}


def test_they_add_their_stages_and_change_none():
    assert set(STAGES) - {stage.title for stage in SMOKE.stages} == NEW
    for stage in SMOKE.stages:
        assert (STAGES[stage.title].key == stage.key) == (stage.title not in OF_ALL_CURVES)
    assert len({STAGES[title].key for title in NEW}) == len(NEW)
    best = STAGES[f"best-of-n {OF}"]
    scores = STAGES[SCORES]
    assert scores.parents["best_of_n"] is best
    assert (scores.parents["pool"], scores.parents["proxy"]) == (best.parents["pool"], best.parents["proxy"])
    assert {title: STAGES[title].spec["curve"].get("setting") for title in NEW - {SCORES}} == {
        COLD: "tau 0.001",
        WARM: "tau 0.5",
        POISSON: None,
        RFT[0]: "best of 2",
        RFT[1]: "best of 4",
    }


def test_they_cost_what_is_drawn_scored_learnt_from_and_looked_at():
    assert price(STAGES[SCORES], 256) == price(STAGES[f"best-of-n {OF}"], 256)
    two, four = (price(STAGES[title], 256) for title in RFT)
    learnt_from, watched = 5 * 32, (1 + 20**0.5 / 100 + 5 / 2) * 16 * 4
    assert four.samples == pytest.approx(4 * learnt_from + watched)
    assert four.samples - two.samples == pytest.approx(2 * learnt_from)
    # drawn 12 tokens; read by the proxy, 26
    assert four.tokens - two.tokens == pytest.approx(2 * learnt_from * (12 + 26))
    one = size(STAGES[f"proxy {OF}"])
    assert four.rest - two.rest == pytest.approx(2 * 2 * learnt_from * 26 * one.body)


@pytest.fixture(scope="module")
def store(smoke_store, tmp_path_factory):
    """The study `smoke` with these stages; what was there is shared with the store that it comes from."""
    root = tmp_path_factory.mktemp("selections") / "store"
    shutil.copytree(smoke_store, root, copy_function=os.link)
    made, runtime = Store(root), replace(make_runtime("cpu", workers=1), store=root)
    for title, stage in STAGES.items():
        if title in NEW or title in OF_ALL_CURVES:
            made.compute(stage, runtime)
    return made


def curve_of(store, title):
    return read(store.path(STAGES[title]) / "curve.parquet")


@pytest.mark.xdist_group("smoke")
def test_a_cold_soft_best_of_n_is_best_of_n(store):
    cold, best = curve_of(store, COLD), curve_of(store, f"best-of-n {OF}")
    assert cold["n"].to_list() == best["n"].to_list() == [1, 2, 4, 8, 16, 32, 64]
    assert cold.select("method", "setting", "ensemble", "kl_kind").unique().rows() == [
        ("soft_bon", "tau 0.001", "single", "k1")
    ]
    same = ("world", "policy_params", "rm_params", "pairs", "seed", "samples", "prompts", "rm_loss")
    assert cold.select(same).equals(best.select(same))
    few = best["n"] <= 8  # of 80 samples a prompt
    for name in ("proxy", "gold", "rating", "length"):
        off = (cold[name] - best[name]).filter(few).abs().max()
        assert off < 0.3 * best[name].std() + 0.1, name
    assert cold["kl"][0] == 0
    known = best.filter(few)["kl"].to_list()
    assert known == [best_of_n_kl(n) for n in (1, 2, 4, 8)]
    # so small a policy says much twice, which takes something off
    assert all(
        0.6 * exact < found < exact + 0.05 for found, exact in zip(cold["kl"][1:], known[1:], strict=False)
    )


@pytest.mark.xdist_group("smoke")
def test_a_warm_one_goes_less_far(store):
    cold, warm = curve_of(store, COLD), curve_of(store, WARM)
    for name in ("kl", "proxy"):
        assert (warm[name][1:] < cold[name][1:]).all()
        assert warm[name][6] > warm[name][2] > 0
    by_prompt = read_by_prompt(store.path(STAGES[WARM]) / "by_prompt.parquet")
    assert by_prompt.height == 7 * 16
    means = by_prompt.group_by("n").agg(pl.col("kl", "gold", "proxy").mean()).sort("n")
    for name in ("kl", "gold", "proxy"):
        assert means[name].to_list() == pytest.approx(warm[name].to_list())


@pytest.mark.xdist_group("smoke")
def test_best_of_poisson_has_the_exact_kl_up_to_where_draws_run_out(store):
    curve, best = curve_of(store, POISSON), curve_of(store, f"best-of-n {OF}")
    assert curve["n"].to_list() == [1, 2, 4, 8, 16, 32]  # of 80 samples 1 + Poisson(63) are too many
    assert curve["kl"].to_list() == [best_of_poisson_kl(n - 1.0) for n in curve["n"]]
    assert curve.select("method", "setting", "kl_kind", "kl_se").unique().rows() == [
        ("bop", None, "analytic", 0.0)
    ]
    base, others = best.row(0, named=True), curve.row(0, named=True)
    for name in ("gold", "proxy", "gold_strict", "length"):
        assert others[name] == pytest.approx(base[name], abs=1e-6)
    assert (curve["proxy"][1:] < best["proxy"][1:6]).all()
    assert curve["proxy"][5] > best["proxy"][4]


@pytest.mark.xdist_group("smoke")
def test_the_scores_are_those_of_best_of_n(store):
    folder = store.path(STAGES[SCORES])
    scores = load_file(folder / "scores.safetensors")["evaluation"]
    first = curve_of(store, f"best-of-n {OF}").row(0, named=True)
    assert scores.shape == (16 * 80,)
    assert scores.mean().item() == pytest.approx(first["proxy"], abs=1e-5)
    assert read_json(folder / "metrics.json")["pairs"] == 640


@pytest.mark.xdist_group("smoke")
@pytest.mark.parametrize("title", RFT)
def test_rejection_sampling_is_a_curve_from_the_policy_on(store, title):
    folder, curve = store.path(STAGES[title]), curve_of(store, title)
    assert curve["step"].to_list() == [0, 2, 4, 5]
    setting = title.rpartition(", ")[2]
    assert curve.select("method", "setting", "kl_penalty", "kl_kind", "rm_params").unique().rows() == [
        ("rft", setting, 0.0, "exact", curve_of(store, f"best-of-n {OF}")["rm_params"][0])
    ]
    assert curve["kl"][0] == 0
    assert curve["kl"][3] > curve["kl"][1] > 0
    assert curve["proxy"][3] > curve["proxy"][0]
    texts = pl.read_parquet(folder / "texts.parquet")
    assert set(texts["method"]) == {"rft"}
    moved, before = (
        load_language_model(place / "model") for place in (folder, store.path(STAGES["policy 7k"]))
    )
    assert any((a != b).any() for a, b in zip(moved.parameters(), before.parameters(), strict=True))


@pytest.mark.xdist_group("smoke")
def test_they_are_in_the_table_and_in_no_figure_or_claim_of_the_paper(store):
    found = [results.read(store.path(stage), STUDY) for stage in (SMOKE.tables, STAGES["tables"])]
    before, table = (tables.curves for tables in found)
    of_claims = [Evidence(tables).sizes.curves for tables in found]
    assert of_claims[0].equals(of_claims[1])
    new = table.filter(pl.col("method").is_in(["soft_bon", "bop", "rft"]))
    assert new.group_by("method").agg(pl.col("record").n_unique()).sort("method").rows() == [
        ("bop", 1),
        ("rft", 2),
        ("soft_bon", 2),
    ]
    policy = STUDY.models["7k"].parameters
    assert plain_curves(table, policy).equals(plain_curves(before, policy))
    assert set(before["setting"]) == {None}
    by_prompt = read_by_prompt(store.path(STAGES["tables"]) / "by_prompt.parquet")
    for setting in ("tau 0.5", "best of 4"):
        fits = fitted_laws.fitted(new.filter(setting=setting), by_prompt, SIZES, draws=20)
        ((method, _),) = fits
        assert method == {"tau 0.5": "soft_bon", "best of 4": "rft"}[setting]
