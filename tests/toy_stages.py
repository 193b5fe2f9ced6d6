"""Stages of a few bytes, and how long to wait for another process."""

import time
from pathlib import Path

from overopt.engine.stage import Stage
from overopt.engine.store import Store

SECONDS_AT_MOST = 120


def write_number(job):
    """Says in `log` that it ran, waits for a file if told to, writes its number plus those of its parents."""
    with Path(job.spec["log"]).open("a") as log:  # appended in one go: two processes do not lose a line
        log.write(f"{job.spec['number']}\n")
    if "wait_for" in job.spec:
        wait_until(Path(job.spec["wait_for"]).exists)
    time.sleep(job.spec.get("seconds", 0))
    parents = [int((folder / "number.txt").read_text()) for folder in job.parents.values()]
    (job.out / "number.txt").write_text(str(job.spec["number"] + sum(parents)))


def toy_stage(number, log, run=write_number, parents=None, **spec):
    return Stage("toy", f"toy {number}", 1, {"number": number, "log": str(log)} | spec, parents or {}, run)


def compute_all(stages, runtime):
    """What another process does."""
    for stage in stages:
        Store(runtime.store).compute(stage, runtime)


def wait_until(true):
    give_up = time.monotonic() + SECONDS_AT_MOST
    while not true():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.02)
