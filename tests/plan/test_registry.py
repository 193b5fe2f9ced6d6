"""The registry beside the functions it names."""

import inspect
import pkgutil
from importlib import import_module

import pytest

from overopt import stages
from overopt.engine.stage import Job
from overopt.plan.registry import KINDS, Graph
from overopt.plan.stage_specs import Nothing, PoolSpec, ProxySpec, Reading, TRLSpec
from overopt.study.pretrained_parts import LoRA


def stage_functions():
    """Every function of a module of `overopt.stages` that takes a job alone and gives nothing back, by name."""
    for module in pkgutil.iter_modules(stages.__path__):
        for name, function in inspect.getmembers(import_module(f"overopt.stages.{module.name}")):
            if inspect.isfunction(function) and function.__module__ == f"overopt.stages.{module.name}":
                signature = inspect.signature(function)
                if [*signature.parameters] == ["job"] and signature.return_annotation is None:
                    yield f"{module.name}.{name}", signature.parameters["job"].annotation


def test_every_function_has_a_row_which_knows_what_it_is_told():
    rows = {kind.function: Job[kind.spec] for kind in KINDS.values()}
    assert len(rows) == len(KINDS)
    assert rows == dict(stage_functions())


def test_a_stage_is_told_what_its_row_says():
    with pytest.raises(AssertionError, match="found Nothing, expected PoolSpec"):
        Graph().add("pool", "pool", Nothing())


def test_what_a_study_does_not_ask_for_is_left_out():
    assert Reading().model_dump(mode="json") == {}
    assert PoolSpec(parts=2, frozen="bfloat16").model_dump(mode="json") == {"parts": 2, "frozen": "bfloat16"}
    fields = {"seed": 0, "model": "a", "pairs": 8, "epochs": 1, "validation": 0.1, "batch": 4}
    proxy = ProxySpec(**fields, learning_rate=None, embedding_gain=0.0)
    plain = proxy.model_dump(mode="json")
    assert "trl" not in plain
    assert plain["learning_rate"] is None  # the recipe's, which is said
    with_trl = proxy.model_copy(update={"trl": TRLSpec(lora=None)}).model_dump(mode="json")
    assert with_trl == plain | {"trl": {"lora": None}}
    adapted = ProxySpec.model_validate(with_trl | {"trl": {"lora": {"rank": 2, "alpha": 4}}})
    assert adapted.trl.lora == LoRA(rank=2, alpha=4)
