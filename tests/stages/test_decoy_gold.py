"""The gold of the study `published`: taught by decoys, with a second gold beside it, at the sizes of `smoke`."""

import shutil
from dataclasses import replace

import polars as pl
import pytest
from decoy_study import DECOYS, decoy_fields
from smoke_fixtures import compute_with_parents

from overopt.analysis.curves import read, read_by_prompt
from overopt.data.spoil import SPOILT_KINDS
from overopt.engine.checkpoint import Checkpoint
from overopt.engine.runner import make_runtime
from overopt.engine.stage import Job
from overopt.engine.store import Store
from overopt.models.build import load_tokenizer
from overopt.plan.stage_specs import GoldSpec
from overopt.plan.study_plan import plan
from overopt.stages.pool import pooled
from overopt.stages.spoilt_pairs import decoy_pairs, spoilt_pairs
from overopt.study.study import parse_study
from overopt.util.files import read_json

pytestmark = pytest.mark.xdist_group("smoke")

STAGES = {stage.title: stage for stage in plan(parse_study(decoy_fields())).stages}
SHARED = ("corpus", "word_vectors")  # with `smoke`
GOLDS = ("gold reward model", "second gold reward model")
CURVES = ("best-of-n 1k, 640 pairs, seed 0", "PPO 1k, 640 pairs, seed 0")


@pytest.fixture(scope="module")
def store(smoke_store, tmp_path_factory):
    """What a PPO run and a best-of-n curve of that study need, and both of them."""
    root = tmp_path_factory.mktemp("decoys")
    for name in SHARED:
        shutil.copytree(smoke_store / name, root / name)
    made = Store(root)
    compute_with_parents(made, *(STAGES[title] for title in CURVES))
    return made


def test_decoys_are_texts_of_a_policy_that_has_moved(store):
    found = pl.read_parquet(
        store.path(STAGES["decoys of gold against 1k, ratings and fluency"]) / "decoys.parquet"
    )
    assert (found["kl"] >= DECOYS["min_kl"]).all()
    assert found["sentence"].n_unique() == DECOYS["prompts"]
    assert found["completion"].list.len().is_between(1, 12).all()


@pytest.mark.parametrize("title", GOLDS)
def test_each_gold_is_checked_on_ratings_on_spoilt_text_and_on_decoys(store, title):
    found = read_json(store.path(STAGES[title]) / "validity.json")
    assert [pair["kind"] for pair in found["pairs"]] == ["human ratings", *SPOILT_KINDS, "decoy"]
    assert found["pearson"] > 0
    for pair in found["pairs"][1:]:
        assert 0 < pair["baseline"] <= 1
        assert 0 <= pair["fluency"] <= 1


def test_the_golds_learn_from_different_ratings_and_seeds(store):
    first, second = (STAGES[title] for title in GOLDS)
    assert (first.spec["raters"], second.spec["raters"]) == ("_half_0", "_half_1")
    assert first.spec["seed"] != second.spec["seed"]
    scores = pooled(store.path(STAGES["pool"]), "evaluation")
    assert set(scores) == {"gold", "gold_second"}
    assert scores["gold"].double().mean().item() == pytest.approx(0, abs=1e-3)
    assert not scores["gold"].equal(scores["gold_second"])


@pytest.mark.parametrize("title", CURVES)
def test_curves_have_a_second_opinion_and_no_gates(store, title):
    folder = store.path(STAGES[title])
    curve = read(folder / "curve.parquet")
    assert curve["gold_second"].is_finite().all()
    assert curve["gold_second_se"].is_finite().all()
    assert (
        curve.select("gold_lenient", "gold_strict", "rating", "gate").null_count().row(0)
        == (curve.height,) * 4
    )
    assert read_by_prompt(folder / "by_prompt.parquet")["gold_strict"].null_count() > 0


def test_no_text_is_trained_on_and_held_out(store, tmp_path):
    stage = STAGES["gold reward model"]
    folders = {role: store.path(parent) for role, parent in stage.parents.items()}
    runtime = replace(make_runtime("cpu"), store=store.root)
    spec, nowhere = GoldSpec.model_validate(stage.spec), Checkpoint(tmp_path / "nothing")
    job = Job(spec, folders, tmp_path, runtime, lambda done, total: None, {}, nowhere)
    tokenizer = load_tokenizer(folders["tokenizer"])
    parts = [
        spoilt_pairs(job, tokenizer, spec.spoilt_texts, held_out=part)
        | decoy_pairs(job, tokenizer, held_out=part)
        for part in (False, True)
    ]
    assert [set(part) for part in parts] == [{*SPOILT_KINDS, "decoy"}] * 2
    texts = [{tuple(row) for real, _ in part.values() for row in real} for part in parts]
    assert not texts[0] & texts[1]
    eos = tokenizer.eos_token_id
    for part in parts:
        for real, bad in part.values():
            assert len(real) == len(bad) > 0
            assert all((r[-1] == eos) == (b[-1] == eos) for r, b in zip(real, bad, strict=True))
