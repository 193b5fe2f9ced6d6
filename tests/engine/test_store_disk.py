"""A disk that is full or cannot be written: one sentence, nothing lost, and the next run goes on."""

import errno
import os
import subprocess

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import save_file
from toy_stages import toy_stage

from overopt.engine import store as store_module
from overopt.engine.store import Store, held
from overopt.models.build import new_language_model, train_tokenizer
from overopt.study.parts import Shape
from overopt.util.errors import UserError, system_error

ROOM = 20_000  # bytes a file, in tests of a full disk; each stage writes more into one
FULL = r"^store \S+: (No space left on device|File too large)( \(\S+\))? while computing 'toy 1'; expected .* room left"


def words():
    draw = np.random.default_rng(0)
    return ["".join(word) for word in draw.choice(list("abcdefgh"), (2000, 7))]


def write_text(job):
    (job.out / "file").write_text("x" * 100_000)


def write_tensors(job):
    save_file({"a": torch.zeros(100_000)}, job.out / "file")


def write_parquet(job):
    pl.DataFrame({"a": np.random.default_rng(0).random(100_000)}).write_parquet(job.out / "file")


def write_csv(job):
    pl.DataFrame({"a": np.random.default_rng(0).random(100_000)}).write_csv(job.out / "file")


def write_tokenizer(job):
    train_tokenizer([" ".join(words())], 3000).save_pretrained(job.out)


def write_model(job):
    tokenizer = train_tokenizer(["a film"], 300)
    new_language_model(Shape(layers=1, width=32, heads=2), tokenizer, 16, 0).save_pretrained(job.out)


def write_half_and_keep_it(job):
    found = job.checkpoint.load()
    if not found:
        job.checkpoint.save({"half": torch.tensor([1.5])}, None)
        save_file({"a": torch.zeros(100_000)}, job.out / "file")
    (job.out / "number.txt").write_text(str(found[0]["half"].item()) if found else "not from a checkpoint")


@pytest.mark.parametrize(
    "write", [write_text, write_tensors, write_parquet, write_csv, write_tokenizer, write_model]
)
def test_a_full_disk_is_one_sentence_whatever_library_writes(store, runtime, tmp_path, disk_full_at, write):
    stage = toy_stage(1, tmp_path / "log", write)
    with disk_full_at(ROOM), pytest.raises(UserError, match=FULL):
        store.compute(stage, runtime)
    assert store.problem(stage) == "missing"
    assert not store.work_folder(stage).exists()  # half a result would only take room
    assert not held(store.lock_file(stage))
    assert any(store.compute(stage, runtime).iterdir())  # there is room again


def no_room(*_args, **_options):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (store_module, "write_record"),
        (store_module.os, "rename"),
        (store_module.Path, "mkdir"),
    ],
)
def test_a_disk_that_fills_up_while_a_result_is_published(
    store, runtime, tmp_path, monkeypatch, module, name
):
    stage, other = toy_stage(1, tmp_path / "log"), toy_stage(2, tmp_path / "log")
    store.compute(other, runtime)
    with monkeypatch.context() as full:
        full.setattr(module, name, no_room)
        with pytest.raises(UserError, match=FULL):
            store.compute(stage, runtime)
    assert not store.folder(stage).exists()
    assert Store(runtime.store).problem(other) is None
    assert (store.compute(stage, runtime) / "number.txt").read_text() == "1"


def test_what_a_stage_kept_before_the_disk_was_full_is_used(store, runtime, tmp_path, disk_full_at):
    stage = toy_stage(1, tmp_path / "log", write_half_and_keep_it)
    with disk_full_at(ROOM), pytest.raises(UserError, match=FULL):
        store.compute(stage, runtime)
    assert (store.compute(stage, runtime) / "number.txt").read_text() == "1.5"


@pytest.fixture
def read_only(runtime):
    """Makes the store's folder read-only: by its mode, or for root, whom no mode stops, as a mount."""
    if os.geteuid():
        yield lambda: runtime.store.chmod(0o500)
        runtime.store.chmod(0o700)
        return
    runtime.store.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", runtime.store], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("root may write anywhere here, and may not mount")
    yield lambda: subprocess.run(["mount", "-o", "remount,ro", runtime.store], check=True)
    subprocess.run(["umount", runtime.store], check=True)


def test_a_read_only_store_is_read_and_refuses_to_compute_in_one_sentence(
    store, runtime, tmp_path, read_only
):
    done, missing = toy_stage(1, tmp_path / "log"), toy_stage(2, tmp_path / "log")
    store.compute(done, runtime)
    read_only()
    later = Store(runtime.store)
    assert (later.path(done) / "number.txt").read_text() == "1"
    assert not held(later.lock_file(done))
    with pytest.raises(
        UserError,
        match=r"(Read-only file system|Permission denied) \(\S+\) while computing 'toy 2'; expected",
    ):
        later.compute(missing, runtime)


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (OSError(28, "No space left on device"), 28),
        (RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"), 28),
        (OSError("No space left on device (os error 28)"), 28),
        (PermissionError(13, "Permission denied"), 13),
    ],
)
def test_the_system_is_heard_through_every_library(error, number):
    assert system_error(error).errno == number
    assert system_error(error).strerror == os.strerror(number)


def test_an_error_that_is_not_of_the_system_is_left_alone(store, runtime, tmp_path):
    assert system_error(RuntimeError("shapes differ (28)")) is None

    def fail(job):
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        store.compute(toy_stage(1, tmp_path / "log", fail), runtime)
