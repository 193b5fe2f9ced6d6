"""Proxies: what a sweep chooses, how often pairs are seen, and which weights move."""

import json

import polars as pl
import pytest
import torch
from safetensors.torch import save_file

from overopt.engine.checkpoint import Checkpoint
from overopt.engine.stage import Job
from overopt.engine.store import Store
from overopt.models.build import new_reward_model
from overopt.models.samples import Prompts, Samples
from overopt.plan.stage_specs import Reading
from overopt.rewards.scoring import Scale
from overopt.stages import proxies
from overopt.training.optim import adamw


@pytest.fixture
def job(tmp_path, runtime):
    """Makes a job whose parents are folders with these metrics."""

    def make(trials):
        for k, (model, size, rate, loss) in enumerate(trials):
            (tmp_path / str(k)).mkdir()
            metrics = {"model": model, "parameters": size, "learning_rate": rate, "validation_loss": loss}
            (tmp_path / str(k) / "metrics.json").write_text(json.dumps(metrics))
        parents = {str(k): tmp_path / str(k) for k in range(len(trials))}
        checkpoint = Checkpoint(tmp_path / "checkpoint")
        return Job({}, parents, tmp_path, runtime, lambda done, total: None, {}, checkpoint)

    return make


def test_the_lowest_validation_loss_wins_for_each_size(job, tmp_path):
    trials = [
        ("a", 10, 0.1, 0.6),
        ("a", 10, 0.2, 0.5),
        ("a", 10, 0.4, 0.7),
        ("b", 20, 0.1, 0.3),
        ("b", 20, 0.2, 0.4),
    ]
    proxies.recipe(job(trials))
    assert json.loads((tmp_path / "recipe.json").read_text()) == {"a": 0.2, "b": 0.1}
    sweep = pl.read_parquet(tmp_path / "sweep.parquet")
    assert sweep.height == 5
    assert sweep.filter("chosen").select("model", "learning_rate").rows() == [("a", 0.2), ("b", 0.1)]


def test_the_base_policy_is_at_0_for_a_proxy_of_a_later_round(tmp_path, runtime, monkeypatch):
    """Whatever policy it learned from, of which it knows nothing."""
    pool, proxy = tmp_path / "pool", tmp_path / "proxy"
    for folder in (pool, proxy):
        folder.mkdir()
    rows = torch.ones(4, 2, dtype=torch.long)
    texts = Samples(Prompts(rows, rows.bool()), torch.tensor([[3, 4], [3, 5], [4, 4], [4, 5]]), rows.bool())
    texts.save(pool / "evaluation.safetensors")
    Scale(2.0, 0.0).save(pool, "gold")
    gold = torch.tensor([-1.0, 0.5, 2.0, 0.1, -0.2]).double()
    save_file({"proxy": 4 * gold, "gold": gold}, proxy / "margins.safetensors")

    class Last:
        def score(self, samples, *, batch):
            return samples.ids[:, -1].float()

    monkeypatch.setattr(proxies, "load_proxy", lambda *_: Last())
    checkpoint = Checkpoint(tmp_path / "checkpoint")
    parents = {"pool": pool, "proxy": proxy}
    proxies.proxy_scale(Job(Reading(), parents, tmp_path, runtime, lambda done, total: None, {}, checkpoint))
    scale = Scale.load(tmp_path, "proxy")
    assert scale.gain == pytest.approx(0.5)  # twice gold's margin is four times that of gold, halved
    assert scale(Last().score(texts, batch=4)).tolist() == pytest.approx([-0.25, 0.25, -0.25, 0.25])


def test_without_gain_embeddings_are_frozen(language_model):
    model = new_reward_model(language_model, 0)
    before = model.transformer.wte.weight.clone()
    optimiser = adamw(model, 0.1, embedding_gain=0.0)
    model(input_ids=torch.tensor([[3, 4]])).logits.sum().backward()
    optimiser.step()
    assert torch.equal(model.transformer.wte.weight, before)
    assert model.transformer.wte.weight.grad is None
    assert len(optimiser.param_groups) == 1


@pytest.mark.xdist_group("smoke")
def test_proxies_of_a_study_take_the_swept_rate_and_keep_embeddings(smoke_store):
    from overopt.models.build import load_language_model, load_reward_model
    from overopt.plan.study_plan import plan
    from overopt.study.study import load_study

    store, stages = Store(smoke_store), {stage.title: stage for stage in plan(load_study("smoke")).stages}
    proxy = stages["proxy 1k, 640 pairs, seed 0"]
    rates = json.loads((store.path(stages["learning rates"]) / "recipe.json").read_text())
    metrics = json.loads((store.path(proxy) / "metrics.json").read_text())
    assert metrics["learning_rate"] == rates["1k"]
    trained = load_reward_model(store.path(proxy) / "model")
    base = load_language_model(store.path(stages["language model 1k"]) / "model")
    assert torch.equal(trained.transformer.wte.weight, base.transformer.wte.weight)
    assert not torch.equal(trained.transformer.h[0].mlp.c_fc.weight, base.transformer.h[0].mlp.c_fc.weight)
