"""The study `smoke` from nothing: every stage, twice, and what must not change a result."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace

import polars as pl
import pytest
from smoke_fixtures import copied_without, copied_without_one_of_each

from overopt import api
from overopt.analysis import results
from overopt.analysis.evidence import Evidence
from overopt.engine import runner
from overopt.engine.record import read_record
from overopt.engine.store import Store
from overopt.optimisers.ppo import Trainer
from overopt.plan.prices import price_rows
from overopt.plan.study_plan import plan
from overopt.stages.tables import DECIMALS
from overopt.study.study import load_study

pytestmark = pytest.mark.xdist_group("smoke")

SMOKE = load_study("smoke")


@pytest.fixture
def tables(smoke_store):
    return results.read(Store(smoke_store).path(plan(SMOKE).tables), SMOKE)


def test_every_result_verifies_and_nothing_is_missing(smoke_store):
    assert Store(smoke_store).unfinished(plan(SMOKE).stages) == []


def test_a_workflow_engine_computes_one_stage_after_another(smoke_store, tmp_path, monkeypatch):
    """Engines make the folders of the files they expect, and take the record's place from `overopt plan --json`."""
    wanted = plan(SMOKE).tables
    store = copied_without(smoke_store, tmp_path / "store", ["tables"])
    (store / "tables" / wanted.key[:24]).mkdir(parents=True)
    monkeypatch.setenv("OVEROPT_STORE", str(store))
    row = json.loads(subprocess.check_output([sys.executable, "-m", "overopt", "plan", "smoke", "--json"]))[
        -1
    ]
    assert (row["key"], row["done"]) == (wanted.key, False)
    subprocess.run(
        [sys.executable, "-m", "overopt", "run", "smoke", "--stage", row["key"]],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    assert read_record(store / row["record"].removesuffix("/record.json"))["key"] == wanted.key
    assert Store(store).problem(wanted) is None


def test_what_the_study_took_stands_in_its_tables(smoke_store, tables):
    """Beside what was predicted, on pages that have no store."""
    store, made = Store(smoke_store), plan(SMOKE)
    records = [read_record(store.folder(stage)) for stage in made.stages if stage.name == "ppo"]
    costs = tables.record["costs"]
    assert costs["ppo"]["seconds"] == pytest.approx(sum(record["seconds"] for record in records))
    assert costs["ppo"]["memory"] == 1e6 * max(record["peak_memory_mb"] for record in records)
    assert sum(cost["seconds"] for cost in costs.values()) == pytest.approx(tables.record["seconds"])
    rows = {row[0]: row for row in price_rows(made, costs, batch=256, tflops=0.05, drawing_tflops=0.02)}
    assert rows["ppo"][-1].endswith(f"{costs['ppo']['memory'] / 1e9:.1f} GB")
    assert rows["all"][-1] != "-"


def test_curves_cover_the_study(tables):
    curves = Evidence(tables).sizes.curves
    counts = curves.group_by("method", "rm_params").len().sort("method", "rm_params")
    assert counts.filter(method="bon")["len"].to_list() == [7, 7]  # n = 1 ... 64 for two proxies
    assert (counts.filter(method="ppo")["len"] >= 3).all()
    start = curves.filter(pl.coalesce("n", "step") == pl.when(pl.col("n").is_null()).then(0).otherwise(1))
    assert start.height == 4
    assert start["kl"].abs().max() < 1e-6
    base = curves.filter(n=1)
    assert base["gold"].abs().max() < 1e-5  # the base policy is at 0 ...
    assert base["proxy"].abs().max() < 1e-5  # ... on both scales
    # each point of every curve is the mean of its prompts, which are rounded; tilted policies are not kept by prompt
    curves = tables.curves.filter(pl.col("method") != "tilt")
    means = tables.by_prompt.group_by("record", "n", "step").agg(pl.col("gold", "proxy", "kl").mean())
    joined = curves.join(means, on=["record", "n", "step"], nulls_equal=True, suffix="_mean")
    assert joined.height == curves.height
    for name in ("gold", "proxy", "kl"):
        assert (joined[name] - joined[f"{name}_mean"]).abs().max() < 10**-DECIMALS


def test_texts_are_of_the_prompts_for_show_alone(tables):
    assert set(tables.texts["prompt_text"]) == set(SMOKE.show_prompts)
    texts = set(tables.texts["record"])
    # gold as its own proxy, and best-of-n of other policies, show no texts
    silent = tables.curves.filter(
        (pl.col("pairs") == 0) | (pl.col("policy_params") != tables.curves["policy_params"][0])
    )
    assert texts == set(tables.curves["record"]) - set(silent.filter(method="bon")["record"])


def test_a_finished_study_computes_nothing_again(smoke_store, monkeypatch):
    def forbidden(*_args):
        raise AssertionError("a stage ran")

    monkeypatch.setattr(runner, "run_stages", forbidden)
    runtime = replace(runner.make_runtime("cpu"), store=smoke_store)
    assert api.run(SMOKE, runtime).is_dir()


EARLY = ["corpus", "tokenizer", "language_model", "sharpened", "word_vectors", "rating_model", "real_text"]
LATE = [
    "samples", "gated_gold", "pairs", "pool", "recipe", "proxy", "best_of_n", "gold_frontier", "other_best_of_n",
    "far_best_of_n", "sweep_base", "ppo_trial", "ppo_sweep", "ppo", "proxy_scale", "halves", "tables",
]  # fmt: skip


# one stage of each kind, and every stage from nothing
@pytest.mark.parametrize(
    ("names", "without"),
    [
        (LATE, copied_without_one_of_each),
        pytest.param([*EARLY, *LATE], copied_without, marks=pytest.mark.slow),
    ],
)
def test_the_same_spec_gives_the_same_bits(smoke_store, tmp_path, names, without):
    again = without(smoke_store, tmp_path / "again", names)
    api.run(SMOKE, replace(runner.make_runtime("cpu", workers=2), store=again))
    for stage in plan(SMOKE).stages[:-1]:
        first, second = (read_record(Store(root).folder(stage)) for root in (smoke_store, again))
        assert first["files"] == second["files"], stage.title


@pytest.mark.parametrize(
    "without", [copied_without_one_of_each, pytest.param(copied_without, marks=pytest.mark.slow)]
)
def test_batch_and_workers_do_not_change_the_curves(smoke_store, tmp_path, tables, without):
    other = without(smoke_store, tmp_path / "other", [name for name in LATE if name != "gated_gold"])
    runtime = replace(runner.make_runtime("cpu", workers=1, batch=37), store=other)
    changed = results.read(api.run(SMOKE, runtime), SMOKE).curves
    assert changed["record"].to_list() == tables.curves["record"].to_list()
    for name in ("kl", "gold", "proxy", "gold_se"):
        assert (changed[name] - tables.curves[name]).abs().max() < 1e-3, name


@pytest.mark.parametrize(
    ("names", "kills", "without"),
    [
        (LATE, 3, copied_without_one_of_each),
        pytest.param([*EARLY, *LATE], 20, copied_without, marks=pytest.mark.slow),
    ],
)
def test_runs_killed_at_random_moments_end_in_the_same_bits(smoke_store, tmp_path, names, kills, without):
    again = without(smoke_store, tmp_path / "again", names)
    command = [sys.executable, "-m", "overopt", "run", "smoke", "--device", "cpu", "--workers", "2"]
    draw = random.Random(0)
    for _ in range(kills):
        run = subprocess.Popen(
            command,
            env={**os.environ, "OVEROPT_STORE": str(again)},
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.wait(draw.uniform(3, 10))
        with contextlib.suppress(ProcessLookupError):  # it may have been done
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    subprocess.run(command, env={**os.environ, "OVEROPT_STORE": str(again)}, check=True)
    for stage in plan(SMOKE).stages[:-1]:
        first, second = (read_record(Store(root).folder(stage)) for root in (smoke_store, again))
        assert first["files"] == second["files"], stage.title


def test_a_ppo_run_goes_on_from_its_checkpoint_with_the_same_bits(smoke_store, tmp_path, monkeypatch):
    stage = next(stage for stage in plan(SMOKE).stages if stage.name == "ppo")
    again = Store(copied_without(smoke_store, tmp_path / "again", ["ppo", "tables"]))
    runtime = replace(runner.make_runtime("cpu", workers=1), store=again.root)
    iterate, steps = Trainer.iterate, []

    def counted(trainer):
        steps.append(trainer.step)
        if len(steps) == 6:
            raise KeyboardInterrupt
        return iterate(trainer)

    monkeypatch.setattr(Trainer, "iterate", counted)
    with pytest.raises(KeyboardInterrupt):
        again.compute(stage, runtime)
    again.compute(stage, runtime)
    assert steps[5] == 5
    assert steps[6] > 0  # not from the start
    first, second = (read_record(store.folder(stage)) for store in (Store(smoke_store), again))
    assert first["files"] == second["files"]
