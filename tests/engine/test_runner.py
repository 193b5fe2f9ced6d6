"""Running a plan in processes: order, failure, interruption. Toy stages; the real ones are in test_end_to_end."""

import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from toy_stages import toy_stage

from overopt import api
from overopt.engine import runner
from overopt.engine.store import Store, store_root
from overopt.plan.study_plan import plan
from overopt.study.study import load_study
from overopt.util.errors import UserError

SMOKE = load_study("smoke")


def test_runtime_defaults_to_what_the_machine_has(monkeypatch):
    assert runner.make_runtime("cpu").workers >= 1
    assert runner.make_runtime("cpu", workers=3, batch=5).batch == 5
    monkeypatch.setenv("OVEROPT_STORE", "/somewhere/else")
    assert str(store_root()) == "/somewhere/else"


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
        api.run(SMOKE, runtime)
    assert len(Store(runtime.store).unfinished(plan(SMOKE).stages)) == len(plan(SMOKE).stages)


def test_a_stage_is_named_by_the_start_of_its_key(tmp_path):
    runtime = replace(runner.make_runtime("cpu", workers=1), store=tmp_path / "store")
    with pytest.raises(UserError, match="stage: found 0 stages of study smoke whose key starts with 'xyz'"):
        api.run_stage(SMOKE, "xyz", runtime)
    with pytest.raises(UserError, match=f"stage: found {len(plan(SMOKE).stages)} stages"):
        api.run_stage(SMOKE, "", runtime)


def test_a_stage_alone_needs_its_parents(tmp_path):
    runtime = replace(runner.make_runtime("cpu", workers=1), store=tmp_path / "store")
    tokenizer = next(stage for stage in plan(SMOKE).stages if stage.title == "tokenizer")
    with pytest.raises(UserError, match="result 'corpus': missing"):
        api.run_stage(SMOKE, tokenizer.key[:16], runtime)
    assert Store(runtime.store).problem(tokenizer) == "missing"


def test_a_worker_ends_if_its_parent_is_gone_before_it_looks(monkeypatch):
    def end(code):
        raise SystemExit(code)

    monkeypatch.setattr(runner.os, "_exit", end)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with pytest.raises(SystemExit):
        runner._end_with_parent(gone.pid)


def test_what_starts_in_the_block_never_sees_an_interrupt():
    with runner._interrupts_for_this_process_alone():
        child = subprocess.Popen(
            [sys.executable, "-c", "import time; print(flush=True); time.sleep(0.5); print('whole')"],
            stdout=subprocess.PIPE,
            text=True,
        )
        child.stdout.readline()
    child.send_signal(signal.SIGINT)
    assert child.communicate()[0] == "whole\n"


def test_a_fresh_worker_hears_no_advice_of_transformers():
    """In a process that has imported nothing yet: the library sets its own level when it is first used."""
    code = (
        "from overopt.util.quiet import quiet_transformers; quiet_transformers(); "
        "from transformers import GPT2Config; GPT2Config(num_labels=1, id2label={0: 'a', 1: 'b'}); "
        "from transformers.utils import logging; logging.get_logger('transformers.models').warning('advice')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""


def test_a_queue_starts_what_may_start_by_priority(tmp_path):
    first, second = (toy_stage(number, tmp_path / "log") for number in (1, 2))
    after = toy_stage(3, tmp_path / "log", parents={"one": first, "other": second})
    queue = runner.Queue([first, second, after], {second.key: 2.0, first.key: 1.0, after.key: 9.0})
    assert queue.start(0) == []
    assert [stage.key for stage in queue.start(1)] == [second.key]
    assert [stage.key for stage in queue.start(5)] == [first.key]
    assert queue.start(5) == []
    queue.finish(first)
    assert queue.start(5) == []
    queue.finish(second)
    assert [stage.key for stage in queue.start(5)] == [after.key]
    queue.finish(after)
    assert not queue.unfinished
