"""Runs as processes: stopped by a signal, or beside another run of the same study."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from filelock import FileLock
from toy_stages import SECONDS_AT_MOST, wait_until

from overopt.engine.record import read_record
from overopt.engine.store import Store, held
from overopt.plan.study_plan import plan
from overopt.study.study import load_study

STOPPED = "overopt: stopped; what was finished is kept, the same command goes on from there\n"


@pytest.fixture
def start(tmp_path):
    """Starts a command in a process group of its own, its standard error in a file; nothing of it outlives the test."""
    started = []

    def run(*command, store):
        said = (tmp_path / "stderr").open("w+")
        environment = {**os.environ, "OVEROPT_STORE": str(store), "OMP_NUM_THREADS": "1"}
        run = subprocess.Popen(
            [sys.executable, *command], env=environment, stdout=said, stderr=said, start_new_session=True
        )
        started.append(run)
        return run, (tmp_path / "stderr").read_text

    yield run
    for run in started:
        if run.poll() is None or alive(run.pid):
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()


def alive(group):
    """The processes of a group, without those that are dead and wait for their parent."""
    listed = subprocess.run(
        ["ps", "-eo", "pgid=,stat=,pid="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split() for line in listed.splitlines()]
    return [pid for number, state, pid in rows if int(number) == group and not state.startswith("Z")]


@pytest.mark.parametrize("moment", ["a worker imports", "a stage is computed"])
def test_control_c_ends_a_run_cleanly(start, tmp_path, moment):
    store = tmp_path / "store"
    run, said = start("-m", "overopt", "run", "smoke", "--device", "cpu", "--workers", "1", store=store)

    def reached():
        if moment == "a worker imports":
            return len(alive(run.pid)) == 3  # beside the run, and what counts the semaphores of both
        return list(store.glob("corpus/*.work/progress.json"))

    wait_until(lambda: run.poll() is not None or reached())
    os.killpg(run.pid, signal.SIGINT)  # a terminal sends it to every process
    assert run.wait(SECONDS_AT_MOST) == 130
    assert said().endswith(STOPPED)
    assert len(said().splitlines()) == 2  # after what the study has to do: no traceback, of no process
    wait_until(lambda: not alive(run.pid))
    for lock in store.glob("*/*.lock"):
        assert not held(lock)


# `overopt run` without what takes seconds to import
FAKE = """
import sys, time, types
from pathlib import Path

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name in ("overopt.api", "overopt.engine.runner", "overopt.study.study"):
            from importlib.machinery import ModuleSpec
            return ModuleSpec(name, self)
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        module.load_study = module.make_runtime = lambda *_: None
        module.run = lambda *_, **__: wait()
        if {importing}:
            try:
                wait()
            except BaseException:
                raise ValueError("as libraries do with what is raised while they are imported")

def wait():
    Path({there!r}).touch()
    time.sleep(60)

sys.meta_path.insert(0, Finder())
sys.argv = ["overopt", "run", "smoke"]
from overopt.cli.commands import main
main()
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("importing", [False, True])
def test_every_signal_at_any_moment_ends_in_one_sentence(start, tmp_path, number, code, importing):
    there = tmp_path / "there"
    run, said = start("-c", FAKE.format(importing=importing, there=str(there)), store=tmp_path)
    wait_until(lambda: there.exists() or run.poll() is not None)
    time.sleep(0.1)
    run.send_signal(number)
    assert run.wait(SECONDS_AT_MOST) == code
    assert said() == STOPPED


@pytest.mark.xdist_group("smoke")
def test_a_run_beside_another_waits_for_it_and_computes_nothing_twice(start, smoke_store, tmp_path):
    store = Store(shutil.copytree(smoke_store, tmp_path / "store"))
    stage = plan(load_study("smoke")).tables
    folder, aside = store.folder(stage), tmp_path / "aside"
    record = read_record(folder)
    folder.rename(aside)
    work = store.work_folder(stage)
    work.mkdir()
    (work / "progress.json").write_text(f'{{"pid": {os.getpid()}, "started": {time.time()}}}')
    with FileLock(store.lock_file(stage)):  # this process is the other
        run, said = start(
            "-m", "overopt", "run", "smoke", "--device", "cpu", "--workers", "1", store=store.root
        )
        wait_until(lambda: run.poll() is not None or "waiting" in said())
        assert "tables: another process is computing it, waiting for its result\n" in said()
        shutil.rmtree(work)
        aside.rename(folder)
    assert run.wait(SECONDS_AT_MOST) == 0
    total = len(plan(load_study("smoke")).stages)
    assert f"[{total}/{total}] tables: computed by another process (elapsed " in said()
    assert read_record(folder) == record
