"""Settings of PPO that are tried: without gold, on prompts of their own, in one table that the study keeps."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from safetensors.torch import load_file

from overopt.analysis import ppo_sweep
from overopt.engine import runner
from overopt.engine.record import read_record
from overopt.engine.store import Store
from overopt.optimisers.ppo import Trainer
from overopt.plan.study_plan import plan
from overopt.study.study import load_study, parse_study
from overopt.training.optim import Diverged

SETTINGS = {
    "as it is": {},
    "value from the proxy": {"value_from": "proxy", "value_warmup": 1, "learning_rate": 4e-3},
    "small": {"learning_rate": 1e-9},
}


@pytest.fixture(scope="module")
def study():
    smoke = load_study("smoke")
    fields = smoke.model_dump(mode="json")
    looks = {"max_steps": 4, "dense_below": 9.0, "evaluation_samples": 24}
    sweep = {"model": "1k", "pairs": 640, "prompts": 12, "samples": 64, "run": fields["ppo"]["run"] | looks}
    return parse_study(fields | {"ppo_sweep": sweep | {"settings": SETTINGS}})


def stages_of(study):
    """The stages that the sweep adds, by title."""
    new = {"sweep_base", "ppo_trial", "ppo_sweep"}
    return {
        stage.title: stage
        for stage in plan(study).stages
        if stage.name in new or stage.title == "proxy of the PPO sweep"
    }


def test_the_sweep_never_asks_gold_and_shares_no_prompt_and_no_seed(study):
    stages = stages_of(study)
    assert list(stages) == [
        "proxy of the PPO sweep", "base samples of the PPO sweep", *(f"PPO of the sweep, {name}" for name in SETTINGS),
        "settings of PPO",
    ]  # fmt: skip
    for title, stage in stages.items():
        assert "gold" not in " ".join(stage.parents), title
        assert not {parent.name for parent in stage.parents.values()} & {"gated_gold", "pool", "best_of_n"}, (
            title
        )
    proxies = [s for s in plan(study).stages if s.name == "proxy" and s.title != "proxy of the PPO sweep"]
    seed = stages["proxy of the PPO sweep"].spec["seed"]
    assert seed not in {stage.spec["seed"] for stage in proxies if "of the sweep" not in stage.title}
    # the split's first sentences are gold's, and those that policies are sharpened by
    trial = stages["PPO of the sweep, as it is"]
    assert trial.spec["skip"] == study.gold.real.texts + study.gold.sentences + study.sharpening.prompts
    assert "value_model" not in stages["PPO of the sweep, value from the proxy"].parents
    assert trial.parents["value_model"].title == "language model 1k"


def test_a_study_without_a_sweep_keeps_its_stages(study):
    without = study.model_copy(update={"ppo_sweep": None})
    before = {stage.key for stage in plan(without).stages[:-1]}
    after = [stage.key for stage in plan(study).stages[:-1]]
    assert before <= set(after)
    assert len(after) - len(before) == len(stages_of(study))


@pytest.mark.xdist_group("smoke")
def test_the_table_of_a_sweep(study, smoke_store, monkeypatch):
    store, stages = Store(smoke_store), stages_of(study)
    runtime = replace(runner.make_runtime("cpu", workers=1), store=store.root)
    iterate = Trainer.iterate

    def diverging(trainer):
        if trainer.config.learning_rate == 1e-9 and trainer.step == 2:
            raise Diverged("PPO: loss: found nan at step 3; expected a finite number")
        return iterate(trainer)

    monkeypatch.setattr(Trainer, "iterate", diverging)
    for stage in stages.values():
        store.compute(stage, runtime)
    scores = load_file(store.path(stages["base samples of the PPO sweep"]) / "scores.safetensors")["proxy"]
    assert scores.shape == (12, 64)
    assert (abs(scores.mean()), scores.std()) == (pytest.approx(0, abs=1e-3), pytest.approx(1, abs=1e-3))
    table = pl.read_parquet(store.path(stages["settings of PPO"]) / "ppo_sweep.parquet")
    steps = table.group_by("setting", maintain_order=True).agg("step")
    assert dict(steps.iter_rows()) == {
        "as it is": [0, 1, 2, 3, 4], "value from the proxy": [0, 1, 2, 3, 4], "small": [0, 1, 2],
    }  # fmt: skip
    small = table.filter(setting="small")
    assert small["kl"].max() < 1e-3
    assert table.filter(step=0)["efficiency"].null_count() == 3  # no KL is spent yet
    first, last = (table.filter(setting="value from the proxy", step=step) for step in (0, 4))
    assert last["kl"][0] > 0.5
    assert last["proxy"][0] > first["proxy"][0] + 0.1
    assert table["ended"].is_between(0, 1).all()
    assert np.isfinite(table.select("kl", "proxy", "length").to_numpy()).all()
    assert "gold" not in read_record(store.path(stages["PPO of the sweep, small"]))["parents"]
    assert set(ppo_sweep.ranking(table)["setting"]) == set(SETTINGS)
