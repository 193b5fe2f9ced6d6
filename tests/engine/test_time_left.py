"""Time left of stages that come one after another, by a clock that the test moves."""

import re
from dataclasses import replace

import pytest

from overopt.engine import time_left
from overopt.engine.stage import Stage
from overopt.engine.time_left import TimeLeft
from overopt.util import processes, slow_progress

LOADING = 4.0  # seconds, before a stage's first step


@pytest.fixture
def now(monkeypatch):
    """What the clock says, as a list of one number."""
    at = [1000.0]
    monkeypatch.setattr(time_left, "LONGEST", 2.0)  # a line a step
    for module in (time_left, slow_progress):
        monkeypatch.setattr(module.time, "monotonic", lambda: at[0])
    return at


@pytest.fixture
def stages(now):
    """Of two policies: samples in 10 steps of 3 seconds, then KL in 10 steps of one second."""

    def run(job, seconds):
        now[0] += LOADING
        for k in range(10):
            now[0] += seconds
            job.progress(k + 1, 10)

    return [
        Stage(kind, f"{name}: {kind}", 1, {"of": name}, {}, lambda job, s=seconds: run(job, s))
        for name in ("first", "second")
        for kind, seconds in (("samples", 3), ("kl", 1))
    ]


@pytest.fixture
def job(store, runtime, tmp_path):
    """A job of no stage in particular, and what its own progress was told."""
    told = []
    stage = Stage("none", "none", 1, {}, {}, lambda job: None)
    return store.job(stage, tmp_path, runtime, lambda *steps: told.append(steps), None), told


def computed(stages, job, missing=None):
    groups = {stage.key: stage.spec["of"] for stage in stages}
    waiting = TimeLeft(stages if missing is None else missing, groups)
    for stage in stages:
        waiting.during(stage).run(job)


def seconds(clock):
    minutes, rest = clock.split(":")
    return 60 * int(minutes) + int(rest)


def test_time_left_of_a_policy_and_in_all(stages, job, now, capsys):
    computed(stages, job[0])
    said = capsys.readouterr().err.splitlines()
    line = re.compile(
        r"overopt: \[([12])/2\] (\w+: \w+) (\d+) of 10, time left (over )?(\d+:\d+), in all (over )?(\d+:\d+)"
    )
    found = {match[2] + match[3]: match for match in map(line.fullmatch, said) if match}
    assert len(found) >= 20
    # the first policy: nobody knows yet what its KL takes, nor all that comes after
    early = found["first: samples3"]
    assert (early[1], early[4], early[6]) == ("1", "over ", "over ")
    assert seconds(early[5]) == 21  # 7 steps of 3 seconds, without the time of loading
    # the second: what the first took is known
    for match in found.values():
        if match[2] == "second: samples" and match[3] != "1":
            assert (match[1], match[4], match[6]) == ("2", None, None)
            assert seconds(match[5]) == 3 * (10 - int(match[3])) + 10 + LOADING
            assert match[5] == match[7]  # the last policy is all that is left
    assert job[1] == [(k, 10) for k in range(1, 11)] * 4


def test_what_is_there_takes_no_time(stages, job, capsys):
    waiting = TimeLeft(stages[:2], {stage.key: stage.spec["of"] for stage in stages})
    for stage in stages[:2]:
        waiting.during(stage).run(job[0])
    last = capsys.readouterr().err.splitlines()[-1]
    assert "[1/2] first: kl" in last
    assert "over " not in last


def test_short_work_says_nothing(stages, job, now, capsys):
    quick = [replace(stage, run=lambda job: job.progress(1, 1)) for stage in stages]
    computed(quick, job[0])
    assert capsys.readouterr().err == ""


def test_of_several_processes_the_first_speaks(stages, job, monkeypatch, capsys):
    monkeypatch.setattr(processes, "rank", lambda: 1)
    computed(stages, job[0])
    assert capsys.readouterr().err == ""
