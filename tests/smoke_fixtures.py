"""The study `smoke`, computed once a session from nothing, whatever the number of test processes.

Tests that use it belong to the xdist group "smoke", so that one process has them all.
"""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import filelock
import pytest

OF_ALL_CURVES = ("halves of gold", "tables")  # what every further curve that records texts is a parent of


@pytest.fixture(scope="session")
def smoke_store(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A store that holds the finished study; `OVEROPT_STORE` names it for the rest of the session."""
    from overopt import api
    from overopt.engine import runner
    from overopt.study.study import load_study

    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent  # one for all processes of pytest-xdist
    store = shared / "smoke_store"
    os.environ["OVEROPT_STORE"] = str(store)
    with filelock.FileLock(shared / "smoke_store.lock"):
        api.run(load_study("smoke"), replace(runner.make_runtime("cpu"), store=store))
    return store


def compute_with_parents(store, *stages) -> list[str]:
    """Compute what of `stages`, and of what they are made of, the store lacks; the names of what was computed."""
    from overopt.engine import runner

    runtime = replace(runner.make_runtime("cpu", workers=1), store=store.root)
    computed = []

    def compute(stage):
        for parent in stage.parents.values():
            compute(parent)
        if store.problem(stage):
            store.compute(stage, runtime)
            computed.append(stage.name)

    for stage in stages:
        compute(stage)
    return computed


def copied_without(store: Path, target: Path, names: list[str]) -> Path:
    """A copy of the store that lacks every result of the stages in `names`."""
    shutil.copytree(store, target)
    for name in names:
        shutil.rmtree(target / name)
    return target


def copied_without_one_of_each(store: Path, target: Path, names: list[str]) -> Path:
    """A copy of the store that lacks the first result, in the order of the plan, of each kind of stage in `names`."""
    from overopt.engine.store import Store
    from overopt.plan.study_plan import plan
    from overopt.study.study import load_study

    shutil.copytree(store, target)
    first = {stage.name: stage for stage in reversed(plan(load_study("smoke")).stages)}
    for name in names:
        shutil.rmtree(Store(target).folder(first[name]))
    return target
