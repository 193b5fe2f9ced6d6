"""Gold without its rule on repetition, of the texts of a study."""

import polars as pl
import pytest

from overopt.engine.stage import Runtime
from overopt.engine.store import Store
from overopt.plan.study_plan import plan, unruled
from overopt.rewards.repetition import repeats_itself
from overopt.study.study import load_study

SMOKE = plan(load_study("smoke"))


@pytest.mark.xdist_group("smoke")
def test_only_texts_that_repeat_themselves_are_worth_something_else_without_the_rule(smoke_store, tmp_path):
    there = Store(smoke_store)
    stage = unruled(SMOKE)
    store = Store(tmp_path, elsewhere={parent.key: there.path(parent) for parent in stage.parents.values()})
    folder = store.compute(stage, Runtime("cpu", batch=64, workers=1, store=tmp_path))
    found = pl.read_parquet(folder / "unruled.parquet")
    texts = pl.read_parquet(there.path(SMOKE.tables) / "texts.parquet")
    assert found.height > 0.9 * texts.height  # of the others gold of their words is not the recorded one
    repeats, others = found.filter("repeats"), found.filter(~pl.col("repeats"))
    assert repeats.height
    assert (others["unruled"] - others["gold"]).abs().max() < 2e-3
    assert (repeats["unruled"] - repeats["gold"]).abs().mean() > 0.1
    assert (
        repeats["gold"].max() - repeats["gold"].min() < 2e-3
    )  # what is no language is worth as little as the worst
    whole = texts.with_columns(pl.concat_str("prompt_text", "completion").alias("whole"))
    share = whole["whole"].map_elements(repeats_itself, return_dtype=pl.Boolean).mean()
    assert repeats.height / found.height == pytest.approx(share, abs=0.1)
