"""Mixed precision: on inside, off outside, and close to float32."""

from dataclasses import replace

import polars as pl
import pytest
import torch
from smoke_fixtures import copied_without

from overopt.analysis.curves import read
from overopt.engine import runner
from overopt.engine.store import Store
from overopt.models import precision
from overopt.models.precision import has_bfloat16, mixed_precision
from overopt.plan.study_plan import plan
from overopt.study.study import load_study
from overopt.training import reward_model

IDS = torch.tensor([[1, 5, 6, 7], [1, 8, 9, 10]])


def loss_and_gradient(model):
    loss = model(input_ids=IDS, labels=IDS).loss
    model.zero_grad()
    loss.backward()
    return loss, torch.cat([weight.grad.flatten() for weight in model.parameters()])


def test_close_to_float32(language_model, monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: True)
    exact, slope = loss_and_gradient(language_model)
    before = language_model.config._attn_implementation
    with mixed_precision(language_model):
        loss, gradient = loss_and_gradient(language_model)
    assert language_model.config._attn_implementation == before
    assert loss.item() == pytest.approx(exact.item(), rel=0.02)
    assert loss != exact
    assert torch.nn.functional.cosine_similarity(gradient, slope, dim=0) > 0.99
    assert torch.equal(loss_and_gradient(language_model)[0], exact)
    with mixed_precision(language_model, least_width=language_model.config.hidden_size + 1):
        assert torch.equal(loss_and_gradient(language_model)[0], exact)


def test_does_nothing_where_the_processor_lacks_bfloat16(language_model, monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: False)
    exact, slope = loss_and_gradient(language_model)
    with mixed_precision(language_model):
        loss, gradient = loss_and_gradient(language_model)
    assert torch.equal(loss, exact)
    assert torch.equal(gradient, slope)


@pytest.mark.xdist_group("smoke")
def test_a_proxy_trained_in_bfloat16_moves_its_curve_within_the_errors(smoke_store, monkeypatch, tmp_path):
    """The same proxy stage with and without bfloat16, judged on the same pool: best-of-n and calibration."""
    monkeypatch.setattr(reward_model, "NARROW", 0)  # the models of smoke are
    graph = plan(load_study("smoke"))
    runtime = replace(runner.make_runtime("cpu"), store=smoke_store)
    curves = []
    measured = [s for s in graph.stages if s.name == "best_of_n" and s.parents["proxy"].spec["pairs"] == 640]
    assert len(measured) == 2
    for fast in (False, True):
        monkeypatch.setattr(precision, "has_bfloat16", lambda device, fast=fast: fast)
        store = Store(copied_without(smoke_store, tmp_path / str(fast), ["proxy", "best_of_n"]))
        for stage in measured:
            for one in (stage.parents["proxy"], stage):
                store.compute(one, replace(runtime, store=store.root))
        curves.append(pl.concat([read(store.folder(stage) / "curve.parquet") for stage in measured]))
    exact, fast = curves
    assert fast["rm_loss"].to_list() != exact["rm_loss"].to_list()  # bfloat16 was used
    for name in ("gold", "proxy"):
        gap = (fast[name] - exact[name]).abs()
        assert (gap < exact[f"{name}_se"]).all(), name


def test_asks_the_processor():
    assert isinstance(has_bfloat16(torch.device("cpu")), bool)
    assert not has_bfloat16(torch.device("meta"))
