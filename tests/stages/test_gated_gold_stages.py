"""Gold with gates: what it is checked on, and what it was not trained on."""

from dataclasses import replace

import polars as pl
import pytest

from overopt.data.reviews import TEXT_SPLIT
from overopt.data.spoil import CORRUPTIONS
from overopt.engine.checkpoint import Checkpoint
from overopt.engine.runner import make_runtime
from overopt.engine.stage import Job
from overopt.engine.store import Store
from overopt.models.build import load_tokenizer
from overopt.plan.stage_specs import GatedGoldSpec
from overopt.plan.study_plan import plan
from overopt.rewards.gated_gold import STRICTNESS
from overopt.rewards.gold import load_gold, views_of
from overopt.stages import gated_gold
from overopt.stages.pool import VIEWS
from overopt.stages.prompts import prompt_table
from overopt.stages.spoilt_pairs import real_samples, spoilt_sentences
from overopt.study.study import load_study
from overopt.util.files import read_json

pytestmark = pytest.mark.xdist_group("smoke")

SMOKE = load_study("smoke")
STAGES = {stage.title: stage for stage in plan(SMOKE).stages}
GOLD = STAGES["gold reward model"]


@pytest.fixture
def job(smoke_store, tmp_path):
    """The job of the stage that makes gold."""
    parents = {role: Store(smoke_store).path(parent) for role, parent in GOLD.parents.items()}
    runtime = replace(make_runtime("cpu"), store=smoke_store)
    spec = GatedGoldSpec.model_validate(GOLD.spec)
    return Job(spec, parents, tmp_path, runtime, lambda done, total: None, {}, Checkpoint(tmp_path / "c"))


def test_it_is_checked_on_ratings_and_on_every_corruption(smoke_store):
    found = read_json(Store(smoke_store).path(GOLD) / "validity.json")
    assert [pair["kind"] for pair in found["pairs"]] == ["human ratings", *CORRUPTIONS]
    assert CORRUPTIONS == ("looped", "stuck", "shuffled", "stuttered", "echoed")
    ratings, *corrupted = found["pairs"]
    assert ratings["accuracy"] > 0.5
    for pair in corrupted:
        assert 30 < pair["count"] < 60  # a tenth of 200 review sentences and 200 rated texts
        assert pair["passes_spoilt"] < pair["passes_real"], pair["kind"]
    # a classifier of twenty steps knows loops, and stutters no better than chance
    found = {pair["kind"]: pair["fluency"] for pair in corrupted}
    assert min(found["looped"], found["stuck"]) > 0.5
    assert sum(found.values()) / len(found) > 0.5


def test_no_sentence_that_gates_are_set_by_was_trained_on(smoke_store, job, monkeypatch):
    seen = {}
    made = gated_gold.GatedGold.calibrated

    def noted(*parts, sentences, **options):
        seen["sentences"] = sentences
        return made(*parts, sentences=sentences, **options)

    monkeypatch.setattr(gated_gold.GatedGold, "calibrated", noted)
    gated_gold.gated_gold(job)
    spec = job.spec
    table = prompt_table(job, TEXT_SPLIT, spec.texts + spec.sentences)
    trained, asked = table["sentence"].to_list()[: spec.texts], table["sentence"].to_list()[spec.texts :]
    classified = {
        text
        for part in (False, True)
        for text in spoilt_sentences(job, tokenizer_of(job), spec.texts, held_out=part)
    }
    assert set(trained) <= classified
    assert not classified & set(asked)
    sentences = pl.read_parquet(job.parents["corpus"] / "sentences.parquet")
    read = sentences.filter(split="language_model")["text"]  # by language models, of either half
    assert not set(read) & set(asked)
    calibrated = real_samples(job, tokenizer_of(job), asked)
    assert len(calibrated) == len(seen["sentences"]) == spec.sentences
    assert calibrated.ids.equal(seen["sentences"].ids)
    # and the same gold as in the store comes of it
    assert read_json(job.out / "gates.json") == read_json(Store(smoke_store).path(GOLD) / "gates.json")


def test_the_share_of_those_sentences_that_each_judge_doubts_is_the_studys(job, smoke_store):
    tokenizer, spec = tokenizer_of(job), job.spec
    gold = load_gold(Store(smoke_store).path(GOLD), tokenizer, "cpu")
    asked = prompt_table(job, TEXT_SPLIT, spec.texts + spec.sentences)["sentence"].to_list()[spec.texts :]
    samples = real_samples(job, tokenizer, asked)
    judged = gold.judged(samples, batch=64)
    for name, times in STRICTNESS.items():
        for values, half in (
            (judged.likelihood, gold.gates[name].likelihood),
            (judged.real, gold.gates[name].real),
        ):
            share = (values < half).double().mean().item()
            assert share == pytest.approx(times * SMOKE.gold.doubted, abs=2 / len(asked))
    assert set(views_of(gold, samples[:8], batch=8)) == set(VIEWS)


def tokenizer_of(job):
    return load_tokenizer(job.parents["tokenizer"])
