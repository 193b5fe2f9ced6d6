"""A policy writes as many known words as people do, at a temperature that looks at text alone."""

from dataclasses import replace

import polars as pl
import pytest
import torch

from overopt.engine.checkpoint import Checkpoint
from overopt.engine.runner import make_runtime
from overopt.engine.stage import Job
from overopt.engine.store import Store
from overopt.models.build import load_language_model
from overopt.plan.stage_specs import SharpenedSpec
from overopt.plan.study_plan import plan
from overopt.stages import policies
from overopt.study.study import load_study
from overopt.util.errors import UserError
from overopt.util.files import read_json

pytestmark = pytest.mark.xdist_group("smoke")

SMOKE = load_study("smoke")
STAGES = {stage.title: stage for stage in plan(SMOKE).stages}
NAMES = ("7k", "1k")


@pytest.fixture
def folders(smoke_store):
    """The folder of every policy, by its name."""
    return {name: Store(smoke_store).path(STAGES[f"policy {name}"]) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_as_many_words_are_known_as_of_real_text(folders, name):
    found = read_json(folders[name] / "metrics.json")
    assert policies.COLDEST < found["temperature"] < policies.HOTTEST
    assert found["known"] == pytest.approx(found["real_known"], abs=0.02)
    assert 0.9 < found["real_known"] < 1


@pytest.mark.parametrize("name", NAMES)
def test_logits_are_those_of_the_language_model_at_that_temperature(smoke_store, folders, name):
    source = Store(smoke_store).path(STAGES[f"language model {name}"]) / "model"
    policy, model = load_language_model(folders[name] / "model"), load_language_model(source)
    ids = torch.tensor([[1, 5, 6, 7, 8]])
    temperature = read_json(folders[name] / "metrics.json")["temperature"]
    with torch.inference_mode():
        divided = model(input_ids=ids).logits / temperature
        torch.testing.assert_close(policy(input_ids=ids).logits, divided, atol=1e-4, rtol=1e-4)


def test_fifty_samples_are_kept_to_be_read(folders):
    samples = pl.read_parquet(folders["7k"] / "samples.parquet")
    assert samples.height == policies.SHOWN == 50
    assert set(samples["prompt"]) == set(SMOKE.show_prompts)
    assert samples["completion"].n_unique() > 5  # so small a model is sharp before it writes known words


def test_what_it_is_judged_on_serves_nothing_else(smoke_store):
    """Gold's sentences come before, the sweep's prompts behind."""
    spec = STAGES["policy 7k"].spec
    first = SMOKE.gold.real.texts + SMOKE.gold.sentences
    assert spec["skip"] == first
    assert STAGES["base samples of the PPO sweep"].spec["skip"] == first + spec["prompts"]


def test_where_no_temperature_fits_it_says_so_in_one_sentence(smoke_store, tmp_path, monkeypatch):
    stage = STAGES["policy 7k"]
    spec = SharpenedSpec.model_validate(stage.spec)
    parents = {role: Store(smoke_store).path(parent) for role, parent in stage.parents.items()}
    runtime = replace(make_runtime("cpu"), store=smoke_store)
    (tmp_path / "out").mkdir()
    job = Job(
        spec, parents, tmp_path / "out", runtime, lambda done, total: None, {}, Checkpoint(tmp_path / "c")
    )
    monkeypatch.setattr(policies, "COLDEST", 1.0)  # where the model makes words up already
    with pytest.raises(UserError) as refused:
        policies.sharpened(job)
    said = str(refused.value)
    assert said.startswith("sharpening: found 0.")
    assert "known at temperature 1.0 and 0." in said
    assert said.endswith("of real text between them")
    assert "\n" not in said
    assert list((tmp_path / "out").iterdir()) == []
