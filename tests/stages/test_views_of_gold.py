"""Curves of every method hold what gold is made of, and gold by other gates."""

import polars as pl
import pytest
from safetensors.torch import load_file

from overopt.analysis.curves import STRICTNESS, read, read_by_prompt
from overopt.engine.store import Store
from overopt.plan.study_plan import plan
from overopt.stages.pool import VIEWS, pooled
from overopt.study.study import load_study

pytestmark = pytest.mark.xdist_group("smoke")

STAGES = {stage.title: stage for stage in plan(load_study("smoke")).stages}
POINT = [
    "best-of-n 1k, 640 pairs, seed 0",
    "PPO 1k, 640 pairs, seed 0",
    "PPO 1k, 320 pairs, seed 0, round 2 of 2",
]


@pytest.mark.parametrize("use", ["evaluation", "show"])
def test_a_pool_holds_every_view_of_every_sample(smoke_store, use):
    pool = Store(smoke_store).path(STAGES["pool"])
    views = pooled(pool, use)
    assert set(views) == set(VIEWS)
    assert {values.shape for values in views.values()} == {views["gold"].shape}
    assert ((views["gate"] >= 0) & (views["gate"] <= 1)).all()
    if use == "evaluation":
        for name in ("gold", *STRICTNESS):
            assert views[name].double().mean().item() == pytest.approx(0, abs=1e-3)
            assert views[name].double().std().item() == pytest.approx(1, abs=1e-3)


def test_another_policys_pool_is_on_the_scales_of_the_first(smoke_store):
    first, other = (Store(smoke_store).path(STAGES[title]) for title in ("pool", "pool of 1k"))
    for name in VIEWS:
        scales = [folder / f"{name}_scale.json" for folder in (first, other)]
        assert scales[0].read_text() == scales[1].read_text()
    assert abs(load_file(other / "gold.safetensors")["evaluation"].double().mean().item()) > 1e-3


@pytest.mark.parametrize("title", POINT)
def test_a_curve_and_its_prompts_have_gold_by_other_gates(smoke_store, title):
    folder = Store(smoke_store).path(STAGES[title])
    curve, by_prompt = read(folder / "curve.parquet"), read_by_prompt(folder / "by_prompt.parquet")
    assert curve["gate"].is_between(0, 1).all()
    assert curve["rating"].is_finite().all()
    for name in STRICTNESS:
        assert (curve[f"{name}_se"] >= 0).all()
        means = by_prompt.group_by("n", "step").agg(pl.col(name).mean().alias("mean"))
        joined = curve.join(means, on=["n", "step"], nulls_equal=True)
        assert joined.height == curve.height
        assert (joined[name] - joined["mean"]).abs().max() < 1e-6
    # lenient gates pass what strict ones do not: the three are not copies of each other
    assert (curve["gold_lenient"] != curve["gold_strict"]).any()
