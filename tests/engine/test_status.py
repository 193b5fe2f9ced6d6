"""Where a study stands, and what a damaged store says."""

import json
import shutil
import time
from dataclasses import asdict

import pytest
import torch
from filelock import FileLock

from overopt.engine import runner
from overopt.engine.checkpoint import Checkpoint
from overopt.engine.plan import Plan
from overopt.engine.progress import Progress
from overopt.engine.record import read_record, result_folders, write_record
from overopt.engine.stage import Runtime, Stage
from overopt.engine.status import damaged, leftovers, size, study_status
from overopt.engine.store import Store
from overopt.plan.study_plan import plan
from overopt.study.study import load_study
from overopt.util.errors import UserError

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
    return Plan("toy", tuple(stages))


def test_stages_are_done_running_waiting_or_damaged(graph, store):
    work = store.work_folder(graph.stages[2])
    work.mkdir()
    now = time.time()
    said = Progress(pid=1, started=now - 100, done=4, total=10, seen=now, first=1, since=now - 30)
    (work / "progress.json").write_text(json.dumps(asdict(said)))
    states = [row.state for row in study_status(graph, store)]
    assert states == ["done", "done", "waiting", "waiting"]  # what a dead process left is not running
    with FileLock(store.lock_file(graph.stages[2])):
        (work / "another file").write_text("what a stage writes does not change when it began")
        rows = study_status(graph, store)
    assert [row.state for row in rows] == ["done", "done", "running", "waiting"]
    assert rows[2].spent == pytest.approx(100, abs=5)
    assert rows[2].left == pytest.approx(60)  # three steps took 30 seconds, six are left
    assert rows[3].left is not None  # from what stages of its kind took
    assert [row.left for row in rows[:2]] == [0, 0]
    (store.folder(graph.stages[1]) / "number.txt").write_text("7")
    assert study_status(graph, Store(store.root))[1].state == "damaged"


def test_a_running_stage_that_has_not_said_takes_what_its_kind_took(graph, store):
    for made in graph.stages[:2]:
        record = read_record(store.folder(made))
        (store.folder(made) / "record.json").write_text(json.dumps(record | {"seconds": 200.0}))
    work = store.work_folder(graph.stages[2])
    work.mkdir()
    (work / "progress.json").write_text(json.dumps(asdict(Progress(pid=1, started=time.time() - 50))))
    with FileLock(store.lock_file(graph.stages[2])):
        assert study_status(graph, store)[2].left == pytest.approx(150, abs=5)


def test_a_stopped_stage_shows_what_is_kept(graph, store):
    assert not any(row.kept for row in study_status(graph, store))
    Checkpoint(store.checkpoint_folder(graph.stages[2])).save({"half": torch.zeros(1)}, None)
    rows = study_status(graph, store)
    assert [row.kept for row in rows] == [False, False, True, False]
    assert rows[2].state == "waiting"


def test_status_writes_nothing(graph, store):
    before = sorted(store.root.rglob("*"))
    study_status(graph, store)
    assert sorted(store.root.rglob("*")) == before


def test_without_experience_nobody_knows_how_long(store):
    (row,) = study_status(Plan("toy", (stage(0),)), store)
    assert (row.state, row.left) == ("waiting", None)


def break_record(folder):
    (folder / "record.json").write_text("{")


def change_spec(folder):
    record = read_record(folder)
    record["spec"]["number"] = 5
    (folder / "record.json").unlink()
    write_record(folder, {name: value for name, value in record.items() if name not in ("files", "sha256")})


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda folder: (folder / "number.txt").write_text(""), "number.txt: found another SHA-256"),
        (lambda folder: (folder / "number.txt").unlink(), "number.txt: missing"),
        (lambda folder: (folder / "more.txt").write_text("x"), "more.txt: not in the record"),
        (break_record, "record.json: found no readable record"),
        (change_spec, "record.json: found the record of another result"),
        (
            lambda folder: shutil.move(folder, folder.with_name("0" * 24)),
            "record.json: found the record of another result",
        ),
    ],
)
def test_every_damage_in_a_store_is_named(graph, store, damage, named):
    assert damaged(store.root) == []
    assert len(result_folders(store.root)) == 2
    damage(store.folder(graph.stages[1]))
    (found,) = damaged(store.root)
    assert named in found


def test_damage_of_what_a_stopped_run_kept_is_named(graph, store):
    left = store.checkpoint_folder(graph.stages[2])
    Checkpoint(left / "a part").save({"half": torch.zeros(1)}, None)
    work = store.work_folder(graph.stages[3])
    work.mkdir()
    assert leftovers(store.root) == sorted([left, work])
    assert damaged(store.root) == []
    (path,) = (left / "a part").iterdir()
    assert size(left) == path.stat().st_size
    path.write_bytes(path.read_bytes()[:-1])
    assert damaged(store.root) == [f"{path}: found another SHA-256 than its name states"]
    with FileLock(store.lock_file(graph.stages[2])):  # a running stage replaces its checkpoint at any moment
        assert leftovers(store.root) == [work]
        assert damaged(store.root) == []


def test_a_run_refuses_damage_if_told_to(graph, store, caplog):
    made, runtime = Plan("toy", graph.stages[:2]), runner.make_runtime("cpu", workers=1)
    assert runner.run_plan(made, store, runtime, priority={}, refuse_damaged=True) == store.folder(
        made.tables
    )
    (store.folder(graph.stages[0]) / "number.txt").write_text("7")
    with pytest.raises(UserError, match=r"result 'toy 0': .*number.txt: found another SHA-256"):
        runner.run_plan(made, Store(store.root), runtime, priority={}, refuse_damaged=True)
    assert (store.folder(graph.stages[0]) / "number.txt").read_text() == "7"
    assert caplog.text == ""  # nothing says that it is computed again


def test_a_run_names_the_damage_that_it_mends(graph, store, monkeypatch, caplog):
    monkeypatch.setattr(
        runner,
        "run_stages",
        lambda plan, missing, store, runtime, priority: [store.compute(s, runtime) for s in missing],
    )
    spoilt = store.folder(graph.stages[0]) / "number.txt"
    spoilt.write_text("7")
    runtime = runner.make_runtime("cpu", workers=1)
    runner.run_plan(Plan("toy", graph.stages[:2]), Store(store.root), runtime, priority={})
    assert f"{spoilt}: found another SHA-256 than its record states; it is computed again" in caplog.text
    assert spoilt.read_text() == "0"


def test_the_plan_of_a_study_has_a_status(tmp_path):
    rows = study_status(plan(SMOKE), Store(tmp_path))
    assert {row.state for row in rows} == {"waiting"}
