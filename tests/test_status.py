"""Where a study stands, and what a damaged store says."""

import json
import shutil
from dataclasses import replace

import pytest
from filelock import FileLock

from overopt import runner
from overopt.errors import UserError
from overopt.plan import Plan, plan
from overopt.status import damaged, results, study_status
from overopt.store import Runtime, Stage, Store
from overopt.study import load_study

SMOKE = load_study("smoke")


def write(job):
    (job.out / "number.txt").write_text(str(job.spec["number"]))


def stage(number, **parents):
    return Stage("toy", f"toy {number}", 1, {"number": number}, parents, write)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def graph(store):
    """Four stages in a chain, the first two done."""
    stages = [stage(0)]
    for number in range(1, 4):
        stages.append(stage(number, before=stages[-1]))
    runtime = Runtime(device="cpu", batch=8, workers=1, store=store.root)
    for made in stages[:2]:
        store.compute(made, runtime)
    return Plan(SMOKE, tuple(stages))


def test_stages_are_done_running_waiting_or_damaged(graph, store):
    work = store.work_folder(graph.stages[2])
    work.mkdir()
    (work / "progress.json").write_text(json.dumps({"done": 1, "total": 4}))
    states = [row.state for row in study_status(graph, store)]
    assert states == ["done", "done", "waiting", "waiting"]  # what a dead process left is not running
    with FileLock(store.lock_file(graph.stages[2])):
        rows = study_status(graph, store)
    assert [row.state for row in rows] == ["done", "done", "running", "waiting"]
    assert rows[2].left == pytest.approx(3 * rows[2].spent)
    assert rows[3].left is not None  # from what stages of its kind took
    assert [row.left for row in rows[:2]] == [0, 0]
    (store.folder(graph.stages[1]) / "number.txt").write_text("7")
    assert study_status(graph, Store(store.root))[1].state == "damaged"


def test_without_experience_nobody_knows_how_long(store):
    (row,) = study_status(Plan(SMOKE, (stage(0),)), store)
    assert (row.state, row.left) == ("waiting", None)


def break_record(folder):
    (folder / "record.json").write_text("{")


def change_spec(folder):
    record = json.loads((folder / "record.json").read_text())
    record["spec"]["number"] = 5
    (folder / "record.json").write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda folder: (folder / "number.txt").write_text(""), "number.txt: found another SHA-256"),
        (lambda folder: (folder / "number.txt").unlink(), "number.txt: missing"),
        (lambda folder: (folder / "more.txt").write_text("x"), "more.txt: not in the record"),
        (break_record, "record.json: found no readable record"),
        (change_spec, "record.json: found a record that does not belong to its folder"),
        (lambda folder: shutil.move(folder, folder.with_name("0" * 24)), "does not belong to its folder"),
    ],
)
def test_every_damage_in_a_store_is_named(graph, store, damage, named):
    assert damaged(store.root) == []
    assert len(results(store.root)) == 2
    damage(store.folder(graph.stages[1]))
    (found,) = damaged(store.root)
    assert named in found


def test_a_run_refuses_damage_if_told_to(tmp_path, graph, store, monkeypatch):
    monkeypatch.setattr(runner, "plan", lambda study: Plan(study, graph.stages[:2]))
    runtime = replace(runner.make_runtime("cpu", workers=1), store=store.root)
    assert runner.run(SMOKE, runtime, recompute=False) == store.folder(graph.stages[1])
    (store.folder(graph.stages[0]) / "number.txt").write_text("7")
    with pytest.raises(UserError, match=r"result 'toy 0': .*number.txt: found another SHA-256"):
        runner.run(SMOKE, runtime, recompute=False)
    assert (store.folder(graph.stages[0]) / "number.txt").read_text() == "7"


def test_the_plan_of_a_study_has_a_status(tmp_path):
    rows = study_status(plan(SMOKE), Store(tmp_path))
    assert {row.state for row in rows} == {"waiting"}
