"""Mixed precision: on inside, off outside, and close to float32."""

import pytest
import torch

from overopt import precision
from overopt.precision import has_bfloat16, mixed_precision

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


def test_does_nothing_where_the_processor_lacks_bfloat16(language_model, monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: False)
    exact, slope = loss_and_gradient(language_model)
    with mixed_precision(language_model):
        loss, gradient = loss_and_gradient(language_model)
    assert torch.equal(loss, exact)
    assert torch.equal(gradient, slope)


def test_asks_the_processor():
    assert isinstance(has_bfloat16(torch.device("cpu")), bool)
    assert not has_bfloat16(torch.device("meta"))
