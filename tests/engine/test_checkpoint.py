"""The state of a running stage: kept whole, replaced whole, never used when damaged."""

import pytest
import torch
from safetensors import SafetensorError

from overopt.engine.checkpoint import Checkpoint, damaged_checkpoints

STATE = {"weights": torch.arange(6.0).reshape(2, 3), "step": torch.tensor(7)}


def kept(folder):
    return sorted(folder.glob("*"))


def test_what_was_saved_last_comes_back(tmp_path):
    checkpoint = Checkpoint(tmp_path / "here")
    assert checkpoint.load() is None
    checkpoint.save({"weights": torch.zeros(1)}, {"rows": []})
    checkpoint.save(STATE, {"rows": [{"kl": 0.1 + 0.2, "n": None}]})
    tensors, values = Checkpoint(tmp_path / "here").load()
    assert tensors.keys() == STATE.keys()
    assert all(torch.equal(tensors[name], STATE[name]) for name in STATE)
    assert values == {"rows": [{"kl": 0.1 + 0.2, "n": None}]}
    assert len(kept(tmp_path / "here")) == 1


def test_the_same_state_twice_is_kept(tmp_path):
    checkpoint = Checkpoint(tmp_path)
    checkpoint.save(STATE, 1)
    checkpoint.save(STATE, 1)
    assert checkpoint.load()[1] == 1


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied"])
def test_a_damaged_checkpoint_is_named_and_not_used(tmp_path, caplog, damage):
    checkpoint = Checkpoint(tmp_path)
    checkpoint.save(STATE, 1)
    (path,) = kept(tmp_path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes({"cut": content[:-9], "flipped": content, "emptied": b""}[damage])
    assert checkpoint.load() is None
    assert str(path) in caplog.text


def test_a_save_that_was_cut_off_leaves_the_one_before(tmp_path):
    checkpoint = Checkpoint(tmp_path)
    checkpoint.save(STATE, 1)
    (tmp_path / "unfinished").write_bytes(b"half a file")
    assert checkpoint.load()[1] == 1


def test_a_save_on_a_full_disk_keeps_the_one_before_and_leaves_no_half(tmp_path, disk_full_at):
    checkpoint = Checkpoint(tmp_path)
    checkpoint.save(STATE, 1)
    with disk_full_at(10_000), pytest.raises(SafetensorError, match="os error"):
        checkpoint.save({"weights": torch.zeros(10_000)}, 2)
    assert len(kept(tmp_path)) == 1
    assert checkpoint.load()[1] == 1


def test_damaged_checkpoints_are_found_in_every_part(tmp_path):
    for name in ("one", "two"):
        Checkpoint(tmp_path / name).save(STATE, name)
    assert damaged_checkpoints(tmp_path) == []
    (path,) = kept(tmp_path / "two")
    path.write_bytes(path.read_bytes() + b"\0")
    assert damaged_checkpoints(tmp_path) == [path]
