"""How far a running stage is: what it says, and what follows from it."""

import json
import os
import time

import pytest

from overopt.engine import progress
from overopt.engine.progress import Progress, read_progress, remove_progress, reporter


def test_a_stage_says_at_once_who_computes_it(tmp_path):
    assert read_progress(tmp_path) is None
    before = time.time()
    reporter(tmp_path)
    said = read_progress(tmp_path)
    assert said.pid == os.getpid()
    assert before <= said.started <= time.time()
    assert (said.done, said.total, said.rate, said.left) == (0, 0, None, None)


def test_rate_and_time_left_count_from_the_first_report(tmp_path, monkeypatch):
    clock = iter([100.0, 150.0, 150.1, 160.0])
    monkeypatch.setattr(progress.time, "time", lambda: next(clock))
    report = reporter(tmp_path)  # at 100
    report(40, 100)  # at 150: it loaded data, and goes on from a checkpoint
    report(41, 100)  # too soon after that to be written
    assert (read_progress(tmp_path).done, read_progress(tmp_path).rate) == (40, None)
    report(60, 100)  # at 160: 20 steps in 10 seconds
    said = read_progress(tmp_path)
    assert (said.started, said.done, said.total, said.rate) == (100.0, 60, 100, 2.0)
    assert said.left == pytest.approx(20)


@pytest.mark.parametrize("text", ["{", "[]", "null", json.dumps({"done": 1}), ""])
def test_what_cannot_be_read_is_nothing_said(tmp_path, text):
    (tmp_path / "progress.json").write_text(text)
    assert read_progress(tmp_path) is None


def test_a_full_disk_ends_no_stage_that_only_reports(tmp_path, disk_full_at):
    with disk_full_at(0):
        reporter(tmp_path)(1, 2)
    remove_progress(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_finished_stage_leaves_no_progress(tmp_path):
    reporter(tmp_path)(1, 2)
    assert read_progress(tmp_path) == Progress(**json.loads((tmp_path / "progress.json").read_text()))
    remove_progress(tmp_path)
    assert list(tmp_path.iterdir()) == []
