"""Every file of a finished study, damaged in every way: named, never used, refused or computed again."""

import random
import shutil
import sys

import pytest
from toy_stages import toy_stage

from overopt.cli import commands
from overopt.engine.record import read_record, result_folders, verify_folder
from overopt.engine.stage import Runtime
from overopt.engine.status import damaged
from overopt.engine.store import Store
from overopt.plan.study_plan import plan
from overopt.study.study import load_study
from overopt.util.errors import UserError

SMOKE = load_study("smoke")


@pytest.fixture(scope="module")
def copy(smoke_store, tmp_path_factory):
    """A store of our own, to be damaged: each test leaves it as it was."""
    return shutil.copytree(smoke_store, tmp_path_factory.mktemp("damage") / "store")


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def empty(path):
    path.write_bytes(b"")


def flip(path):
    content, draw = bytearray(path.read_bytes()), random.Random(path.name)
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)


def delete(path):
    path.unlink()


def swap(path):
    """Another file of the same size."""
    path.write_bytes(random.Random(path.name).randbytes(path.stat().st_size))


def add(path):
    path.with_name(path.name + ".new").write_bytes(path.read_bytes())


@pytest.mark.xdist_group("smoke")
@pytest.mark.parametrize("damage", [cut, empty, flip, delete, swap, add])
def test_every_file_of_a_study_is_named_when_damaged_and_not_used(copy, damage):
    store = Store(copy)
    stages = {store.folder(stage): stage for stage in plan(SMOKE).stages}
    seen = set()
    for folder, stage in stages.items():
        for path in [path for path in folder.rglob("*") if path.is_file()]:
            content = path.read_bytes()
            damage(path)
            added = path.with_name(path.name + ".new")
            with pytest.raises(UserError) as refused:
                Store(copy).path(stage)
            assert str(refused.value).startswith(
                f"result {stage.title!r}: {added if damage is add else path}: "
            )
            added.unlink(missing_ok=True)
            path.write_bytes(content)
            seen.add(path.name)
        Store(copy).path(stage)  # as it was
    assert {"record.json", "model.safetensors", "config.json", "tokenizer.json", "curve.parquet"} <= seen


@pytest.mark.xdist_group("smoke")
def test_a_check_of_the_whole_store_names_one_file_of_every_result(copy):
    assert damaged(copy) == []
    draw, contents, names = random.Random(1), {}, []
    for folder in result_folders(copy):
        path = draw.choice(sorted(path for path in folder.rglob("*") if path.is_file()))
        contents[path] = path.read_bytes()
        draw.choice([cut, empty, flip, delete, swap])(path)
        names.append(f"{path}: ")
    found = damaged(copy)
    for path, content in contents.items():
        path.write_bytes(content)
    assert len(found) == len(names)
    assert all(sentence.startswith(name) for sentence, name in zip(found, names, strict=True))


def test_any_flipped_bit_of_a_record_is_found(tmp_path):
    runtime = Runtime(device="cpu", batch=8, workers=1, store=tmp_path / "store")
    folder = Store(runtime.store).compute(toy_stage(1, tmp_path / "log"), runtime)
    content = (folder / "record.json").read_bytes()
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1 << position % 8
        (folder / "record.json").write_bytes(changed)
        assert "record.json: " in verify_folder(folder), (position, content[position - 9 : position + 9])
    (folder / "record.json").write_bytes(content)
    assert verify_folder(folder) is None


@pytest.mark.xdist_group("smoke")
def test_a_damaged_study_is_refused_or_mended(copy, monkeypatch, capsys, caplog):
    monkeypatch.setenv("OVEROPT_STORE", str(copy))
    stage = next(stage for stage in plan(SMOKE).stages if stage.name == "best_of_n")
    path = Store(copy).folder(stage) / "curve.parquet"
    before = read_record(path.parent)
    flip(path)
    spoilt = path.read_bytes()

    def overopt(*words):
        monkeypatch.setattr(sys, "argv", ["overopt", *words])
        try:
            commands.main()
        except SystemExit as done:
            return done.code, *capsys.readouterr()
        return 0, *capsys.readouterr()

    for words in (["run", "smoke"], ["report", "smoke"]):
        code, out, err = overopt(*words, "--device", "cpu", "--refuse-damaged")
        assert (code, out) == (2, "")
        assert err.startswith(f"overopt: result {stage.title!r}: {path}: found another SHA-256")
        assert err.count("\n") == 1
        assert caplog.text == ""
        assert path.read_bytes() == spoilt
    code, out, _ = overopt("plan", "smoke")
    assert code == 0
    assert f"damaged   {stage.key[:12]}  {stage.title}\n" in out
    assert f"{path}: found another SHA-256 than its record states; a run computes it again\n" in out

    code, out, err = overopt("run", "smoke", "--device", "cpu", "--workers", "1")
    assert code == 0
    assert f"{path}: found another SHA-256 than its record states; it is computed again" in caplog.text
    assert "study smoke: 1 of " in err  # what depends on it has the same key, and stays
    assert read_record(path.parent)["files"] == before["files"]
    assert damaged(copy) == []
