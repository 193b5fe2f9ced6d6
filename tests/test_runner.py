"""Running a plan in processes: order, failure, interruption. Toy stages; the real ones are in test_end_to_end."""

import json
from dataclasses import replace

import pytest

from overopt import runner
from overopt.errors import UserError
from overopt.plan import plan
from overopt.store import Store
from overopt.study import load_study

SMOKE = load_study("smoke")


def test_runtime_defaults_to_what_the_machine_has(monkeypatch):
    assert runner.make_runtime("cpu").workers >= 1
    assert runner.make_runtime("cpu", workers=3, batch=5).batch == 5
    monkeypatch.setenv("OVEROPT_STORE", "/somewhere/else")
    assert str(runner.store_root()) == "/somewhere/else"


@pytest.mark.parametrize("counts", [{"workers": 0}, {"batch": 0}])
def test_counts_below_one_are_refused(counts):
    with pytest.raises(UserError, match=f"{next(iter(counts))}: found 0, expected at least 1"):
        runner.make_runtime("cpu", **counts)


def test_a_failed_stage_ends_the_run_and_publishes_nothing(tmp_path, monkeypatch):
    # the download cache is a file: the first stage cannot work
    blocked = tmp_path / "cache"
    blocked.write_text("in the way")
    monkeypatch.setenv("OVEROPT_CACHE", str(blocked))
    runtime = replace(runner.make_runtime("cpu", workers=1), store=tmp_path / "store")
    with pytest.raises(UserError, match="download cache"):
        runner.run(SMOKE, runtime)
    assert len(runner.unfinished(plan(SMOKE), Store(runtime.store))) == len(plan(SMOKE).stages)


def test_progress_of_a_stage_is_read_or_none(tmp_path):
    assert runner.progress(tmp_path) is None
    (tmp_path / "progress.json").write_text(json.dumps({"done": 3, "total": 9}))
    assert runner.progress(tmp_path) == (3, 9)
    (tmp_path / "progress.json").write_text("{")
    assert runner.progress(tmp_path) is None
