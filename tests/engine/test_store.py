"""Results are computed once, published whole, verified before use, and never used when damaged."""

import dataclasses
import json
import os
from pathlib import Path

import pytest
import torch

from overopt.engine.record import canonical_json, git_state, verify_folder, write_record
from overopt.engine.stage import Stage
from overopt.engine.store import Store
from overopt.util.download import sha256_of
from overopt.util.errors import UserError


def write_number(job):
    """A toy stage: says in `log` that it ran, and writes its number and those of its parents."""
    log = Path(job.spec["log"])
    log.write_text((log.read_text() if log.exists() else "") + "ran\n")
    parents = [int((folder / "number.txt").read_text()) for folder in job.parents.values()]
    (job.out / "number.txt").write_text(str(job.spec["number"] + sum(parents)))
    (job.out / "sub").mkdir()
    (job.out / "sub" / "more.txt").write_text("more")
    job.progress(1, 1)


def raise_halfway(job):
    (job.out / "number.txt").write_text("1")
    raise RuntimeError("halfway")


@pytest.fixture
def toy(tmp_path):
    """Makes a stage; its runs are lines in runs.log."""

    def make(number=1, version=1, parents=None, run=write_number, **spec):
        spec = {"number": number, "log": str(tmp_path / "runs.log")} | spec
        return Stage("toy", f"toy {number}", version, spec, parents or {}, run)

    return make


@pytest.fixture
def runs(tmp_path):
    log = tmp_path / "runs.log"
    return lambda: len(log.read_text().splitlines()) if log.exists() else 0


def test_compute_publishes_files_and_a_record_that_verifies(store, runtime, toy):
    stage = toy(7)
    assert store.problem(stage) == "missing"
    folder = store.compute(stage, runtime)
    assert folder == store.folder(stage) == store.path(stage)
    assert (folder / "number.txt").read_text() == "7"
    record = json.loads((folder / "record.json").read_text())
    assert record["files"] == {
        name: sha256_of(folder / name) for name in ("number.txt", os.path.join("sub", "more.txt"))
    }
    assert {name: record[name] for name in stage.identity} == stage.identity
    assert record["key"] == stage.key
    assert record["device"] == "cpu"
    assert record["seconds"] >= 0
    assert {"torch", "numpy"} <= set(record["packages"])
    assert set(record["git"]) == {"commit", "changed"} == set(git_state())
    assert verify_folder(folder) is None
    assert not store.work_folder(stage).exists()


def test_what_is_there_is_not_computed_again(store, runtime, toy, runs):
    stage = toy()
    store.compute(stage, runtime)
    store.compute(stage, runtime)
    Store(runtime.store).compute(toy(), runtime)
    assert runs() == 1


def test_a_stage_reads_its_verified_parents(store, runtime, toy):
    one, two = toy(1), toy(10)
    child = toy(100, parents={"one": one, "two": two})
    with pytest.raises(UserError, match=r"result 'toy 1': missing; expected a result that verifies"):
        store.compute(child, runtime)
    assert not store.folder(child).exists()
    for stage in (one, two):
        store.compute(stage, runtime)
    assert (store.compute(child, runtime) / "number.txt").read_text() == "111"


def test_the_key_says_what_and_not_how(toy, runtime, tmp_path):
    stage = toy(1, parents={"a": toy(5)})
    assert stage.key == toy(1, parents={"a": toy(5)}).key
    others = [
        toy(2, parents={"a": toy(5)}),
        toy(1, version=2, parents={"a": toy(5)}),
        toy(1, parents={"a": toy(6)}),
        toy(1, parents={"a": toy(5, version=2)}),
        toy(1, parents={"b": toy(5)}),
        toy(1),
        dataclasses.replace(toy(1, parents={"a": toy(5)}), name="other"),
    ]
    assert len({stage.key, *(other.key for other in others)}) == 8
    assert dataclasses.replace(toy(1, parents={"a": toy(5)}), title="x", run=raise_halfway).key == stage.key


def test_how_it_is_run_does_not_make_another_result(store, runtime, toy, runs):
    store.compute(toy(), runtime)
    store.compute(toy(), dataclasses.replace(runtime, batch=3, workers=2, device="meta"))
    assert runs() == 1


def test_canonical_json_is_one_text_for_one_value():
    assert canonical_json({"b": [1, 2.5, None], "a": "é"}) == '{"a":"\\u00e9","b":[1,2.5,null]}'
    assert canonical_json({"a": 1, "b": 2}) == canonical_json({"b": 2, "a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"a": float("nan")})


def truncate(folder):
    (folder / "number.txt").write_bytes(b"")


def flip_a_bit(folder):
    content = bytearray((folder / "sub" / "more.txt").read_bytes())
    content[1] ^= 1
    (folder / "sub" / "more.txt").write_bytes(content)


def delete(folder):
    (folder / "number.txt").unlink()


def add(folder):
    (folder / "new.txt").write_text("?")


def spoil_record(folder):
    (folder / "record.json").write_text('{"files": {')


def empty_record(folder):
    (folder / "record.json").write_text("[]")


def delete_record(folder):
    (folder / "record.json").unlink()


def seal(folder, record):
    """Make `record` one that verifies."""
    (folder / "record.json").unlink()
    write_record(folder, {name: value for name, value in record.items() if name not in ("files", "sha256")})


def other_record(folder):
    record = json.loads((folder / "record.json").read_text())
    record["spec"]["number"] = 8
    seal(folder, record)


def change_run_time(folder):
    record = json.loads((folder / "record.json").read_text())
    record["seconds"] += 1
    (folder / "record.json").write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (truncate, "number.txt: found another SHA-256"),
        (flip_a_bit, "more.txt: found another SHA-256"),
        (delete, "number.txt: missing"),
        (add, "new.txt: not in the record"),
        (spoil_record, "record.json: found no readable record"),
        (empty_record, "record.json: found no readable record"),
        (delete_record, "record.json: found no readable record"),
        (other_record, "record.json: found the record of another result"),
        (change_run_time, "record.json: found another SHA-256 than the record states of itself"),
    ],
)
def test_damage_is_named_and_the_result_computed_again(store, runtime, toy, runs, damage, named):
    stage = toy(3)
    folder = store.compute(stage, runtime)
    damage(folder)
    fresh = Store(runtime.store)  # what a later process sees
    assert named in fresh.problem(stage)
    with pytest.raises(UserError, match="result 'toy 3'"):
        fresh.path(stage)
    assert fresh.compute(stage, runtime) == folder
    assert runs() == 2
    assert Store(runtime.store).problem(stage) is None
    assert (folder / "number.txt").read_text() == "3"
    assert not (folder / "new.txt").exists()


def test_a_stage_that_raises_publishes_nothing(store, runtime, toy, runs):
    bad = toy(4, run=raise_halfway)
    with pytest.raises(RuntimeError, match="halfway"):
        store.compute(bad, runtime)
    assert store.problem(bad) == "missing"
    assert not store.folder(bad).exists()
    assert not store.work_folder(bad).exists()  # half a result only takes room
    folder = store.compute(toy(4), runtime)
    assert (folder / "number.txt").read_text() == "4"
    assert verify_folder(folder) is None
    assert runs() == 1


def test_a_killed_run_leaves_nothing_that_counts(store, runtime, toy):
    stage = toy(5)
    work = store.work_folder(stage)
    work.mkdir(parents=True)
    (work / "number.txt").write_text("half")
    (work / "record.json").write_text("{}")
    assert store.problem(stage) == "missing"
    assert (store.compute(stage, runtime) / "number.txt").read_text() == "5"


def test_a_store_that_cannot_be_written_is_one_sentence(runtime, toy, tmp_path):
    (tmp_path / "store").write_text("a file where the folder should be")
    with pytest.raises(
        UserError, match=r"^store \S+: Not a directory \(\S+\) while computing 'toy 1'; expected a folder"
    ):
        Store(runtime.store).compute(toy(), runtime)


def stop_halfway(job):
    found = job.checkpoint.load()
    if not found:
        job.checkpoint.save({"half": torch.tensor([1.5])}, {"rows": [1]})
        raise RuntimeError("halfway")
    (job.out / "number.txt").write_text(f"{found[0]['half'].item()} {found[1]['rows']}")


def test_a_stage_finds_its_checkpoint_again(store, runtime, toy):
    stage = toy(run=stop_halfway)
    with pytest.raises(RuntimeError, match="halfway"):
        store.compute(stage, runtime)
    folder = store.compute(stage, runtime)
    assert (folder / "number.txt").read_text() == "1.5 [1]"
    assert verify_folder(folder) is None
    assert not list(store.root.rglob("*.checkpoint"))
