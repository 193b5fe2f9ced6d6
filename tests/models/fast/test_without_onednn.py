"""A torch without oneDNN's operations, as on Apple silicon: what needs them is left to torch itself."""

import pytest
import torch
from smoke_fixtures import compute_with_parents, copied_without
from torch.nn import functional as F

from overopt.engine.record import read_record
from overopt.engine.store import Store
from overopt.models import precision
from overopt.models.fast import onednn
from overopt.plan.study_plan import plan
from overopt.study.study import load_study

FIRST = ["language_model", "pairs", "proxy", "best_of_n"]  # one of each that learns, draws or reads


@pytest.fixture
def no_onednn(monkeypatch):
    """Asking for one of its operations fails as it does where torch was built without them."""

    class Missing:
        def __getattr__(self, name):
            raise AttributeError(f"'_OpNamespace' 'mkldnn' object has no attribute {name!r}")

    monkeypatch.setattr(torch.ops, "mkldnn", Missing())
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    onednn.has_onednn.cache_clear()
    yield
    onednn.has_onednn.cache_clear()


@torch.inference_mode()
def test_products_are_those_of_torch(no_onednn):
    inputs, weight, bias = torch.randn(5, 300), torch.randn(300, 6), torch.randn(6)
    assert not onednn.usable(weight)
    assert torch.equal(onednn.Product(weight, bias)(inputs), torch.addmm(bias, inputs, weight))
    assert torch.allclose(onednn.Product(weight)(inputs), F.linear(inputs, weight.T), atol=1e-4)


def test_the_processor_has_no_bfloat16(no_onednn):
    assert not precision.has_bfloat16(torch.device("cpu"))


def test_an_operation_that_is_missing_alone_is_enough(no_onednn, monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    assert not onednn.has_onednn()


@pytest.mark.xdist_group("smoke")
def test_stages_of_a_study_run(no_onednn, smoke_store, tmp_path):
    graph = plan(load_study("smoke"))
    store = Store(copied_without(smoke_store, tmp_path / "store", FIRST))
    last = next(stage for stage in graph.stages if stage.name == "best_of_n")
    assert set(compute_with_parents(store, last)) == set(FIRST)
    assert read_record(store.folder(last))["key"] == last.key
