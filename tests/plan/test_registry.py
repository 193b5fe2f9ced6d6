"""The registry beside the functions it names."""

import inspect
import pkgutil
from importlib import import_module

from overopt import stages
from overopt.plan.registry import KINDS


def stage_functions():
    """Every public function of a module of `overopt.stages` that takes a job alone and gives nothing back."""
    for module in pkgutil.iter_modules(stages.__path__):
        for name, function in inspect.getmembers(import_module(f"overopt.stages.{module.name}")):
            if inspect.isfunction(function) and function.__module__ == f"overopt.stages.{module.name}":
                signature = inspect.signature(function)
                if [*signature.parameters] == ["job"] and signature.return_annotation is None:
                    yield f"{module.name}.{name}"


def test_every_stage_function_has_a_row_and_every_row_a_function():
    assert sorted(kind.function for kind in KINDS.values()) == sorted(stage_functions())
