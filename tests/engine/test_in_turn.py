"""Stages in this process: what is missing is computed, what is half is removed."""

import os

from filelock import FileLock

from overopt.engine.in_turn import remove_halves, run_in_turn
from overopt.engine.stage import Stage


def counting(name, ran, **parents):
    def run(job):
        ran.append((name, os.getpid(), sorted(job.parents)))
        (job.out / "x").write_text(name)

    return Stage("count", name, 1, {"name": name}, parents, run)


def test_missing_stages_are_computed_here_once(store, runtime):
    ran = []
    first = counting("first", ran)
    stages = [first, counting("second", ran, of=first)]
    groups = {stage.key: "all" for stage in stages}
    for _ in range(2):
        run_in_turn(stages, store, runtime, name="n", groups=groups)
    assert ran == [("first", os.getpid(), []), ("second", os.getpid(), ["of"])]


def test_halves_are_removed_unless_somebody_works_on_them(store):
    left, busy = (store.root / "count" / f"{name}.work" for name in ("left", "busy"))
    done = store.root / "count" / "done"
    for folder in (left, busy, done):
        folder.mkdir(parents=True)
        (folder / "x").write_text("half")
    with FileLock(store.root / "count" / "busy.work.lock"):
        remove_halves(store)
        assert (left.exists(), busy.exists(), done.exists()) == (False, True, True)
    remove_halves(store)
    assert (busy.exists(), done.exists()) == (False, True)
