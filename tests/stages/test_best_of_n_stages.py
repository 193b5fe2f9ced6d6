"""Far best-of-n: the same curve as gold on every sample gives, in parts, and from where it was stopped."""

from dataclasses import replace

import polars as pl
import pytest
import torch

from overopt.engine import runner
from overopt.engine.store import Store
from overopt.plan import curves, study_plan
from overopt.rewards.gated_gold import GatedGold
from overopt.stages import best_of_n
from overopt.study.study import load_study
from overopt.util.files import read_json

SAMPLES = 16 * 80

pytestmark = pytest.mark.xdist_group("smoke")


def far_study(**changes):
    study = load_study("smoke")
    far = study.far_best_of_n.model_copy(update={"prompts": 3, "samples": SAMPLES, "max_n": 1024} | changes)
    return study.model_copy(update={"far_best_of_n": far})


def compute(store, study, workers=1):
    """The folder of the far curve of `study`, in `store`."""
    runtime = replace(runner.make_runtime("cpu", workers=workers), store=store.root)
    stages = [
        s
        for s in study_plan.plan(study).stages
        if s.name == "far_best_of_n" or s.title.startswith("far samples")
    ]
    for stage in stages:
        store.compute(stage, runtime)
    return store.folder(stages[-1])


@pytest.fixture
def parts(monkeypatch):
    monkeypatch.setattr(curves, "SAMPLES_A_STAGE", SAMPLES)  # a prompt each; the pool in one part, as it is


def test_with_gold_on_every_sample_it_is_plain_best_of_n(smoke_store, parts, monkeypatch):
    store = Store(smoke_store)
    monkeypatch.setattr(
        best_of_n, "inclusion_chance", lambda scores, exact: torch.ones(scores.shape).double().numpy()
    )
    full = pl.read_parquet(compute(store, far_study(exact=63)) / "by_prompt.parquet")
    monkeypatch.undo()
    monkeypatch.setattr(curves, "SAMPLES_A_STAGE", SAMPLES)
    folder = compute(store, far_study(exact=16))
    few, judged = pl.read_parquet(folder / "by_prompt.parquet"), read_json(folder / "judged.json")
    assert 3 * 16 < judged["judged"] < judged["samples"] == 3 * SAMPLES
    assert full["prompt"].to_list() == few["prompt"].to_list() == [0, 1, 2] * 11
    assert (full["proxy"] - few["proxy"]).abs().max() == 0
    gap = (full["gold"] - few["gold"]).abs()
    # of the best of 1,024 of 1,280, the 16 best by proxy have all but nothing of the weight
    assert gap.filter(full["n"] == 1024).max() < 1e-6 < gap.max()


def test_goes_on_from_the_parts_it_has_done(smoke_store, parts, monkeypatch):
    store, study, judge, seen = Store(smoke_store), far_study(exact=8), GatedGold.score, []

    def counted(gold, samples, **options):
        seen.append(len(samples))
        if len(seen) == 3:
            raise KeyboardInterrupt
        return judge(gold, samples, **options)

    monkeypatch.setattr(GatedGold, "score", counted)
    with pytest.raises(KeyboardInterrupt):
        compute(store, study)
    folder = compute(store, study)
    assert len(seen) == 4  # the third part twice
    stopped = pl.read_parquet(folder / "by_prompt.parquet")
    folder.rename(folder.with_suffix(".stopped"))
    assert pl.read_parquet(compute(store, study) / "by_prompt.parquet").equals(stopped)
