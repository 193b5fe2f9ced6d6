"""Processes that share a store: nothing is computed twice, and one that is killed is in nobody's way."""

import multiprocessing
import threading

import pytest
from toy_stages import compute_all, toy_stage, wait_until

from overopt.engine.record import verify_folder
from overopt.engine.status import leftovers
from overopt.engine.store import Store, held


@pytest.fixture
def log(tmp_path):
    return tmp_path / "runs.log"


@pytest.fixture
def start(runtime):
    """Starts a process that computes stages; none outlives the test."""
    started = []

    def run(*stages):
        # forked: a spawned one would spend its time on imports
        child = multiprocessing.get_context("fork").Process(target=compute_all, args=(stages, runtime))
        child.start()
        started.append(child)
        return child

    yield run
    for child in started:
        child.kill()
        child.join()


def test_two_processes_compute_a_stage_once(runtime, log, start, tmp_path):
    store, go = Store(runtime.store), tmp_path / "go"
    stage = toy_stage(6, log, wait_for=str(go))
    child = start(stage)
    wait_until(log.exists)  # the child is in the middle of it
    release = threading.Timer(0.5, go.touch)
    release.start()
    folder = store.compute(stage, runtime)
    assert go.exists()  # this process waited
    release.join()
    child.join()
    assert child.exitcode == 0
    assert (folder / "number.txt").read_text() == "6"
    assert log.read_text() == "6\n"
    assert store.computed == set()  # and knows that it was not the one


def test_two_processes_share_a_graph_of_stages(runtime, log, start):
    first = [toy_stage(number, log, seconds=0.05) for number in range(8)]
    last = [toy_stage(100 + k, log, parents={"a": first[k], "b": first[k - 1]}) for k in range(8)]
    one, two = start(*first, *last), start(*reversed(first), *reversed(last))
    for child in (one, two):
        child.join()
        assert child.exitcode == 0
    assert sorted(map(int, log.read_text().split())) == [*range(8), *range(100, 108)]  # each once
    for stage in (*first, *last):
        assert verify_folder(Store(runtime.store).folder(stage)) is None
    assert (Store(runtime.store).folder(last[3]) / "number.txt").read_text() == str(103 + 3 + 2)


def test_a_killed_process_is_in_nobodys_way(runtime, log, start, tmp_path):
    store, go = Store(runtime.store), tmp_path / "go"
    stage = toy_stage(7, log, wait_for=str(go))
    child = start(stage)
    wait_until(log.exists)
    assert held(store.lock_file(stage))
    assert leftovers(runtime.store) == []  # it is being worked on
    child.kill()
    child.join()
    assert store.lock_file(stage).exists()
    assert store.work_folder(stage).is_dir()
    assert not held(store.lock_file(stage))
    assert leftovers(runtime.store) == [store.work_folder(stage)]
    go.touch()
    assert (store.compute(stage, runtime) / "number.txt").read_text() == "7"
    assert leftovers(runtime.store) == []
    assert log.read_text() == "7\n7\n"
