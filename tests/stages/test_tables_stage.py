"""What a study took, from the records of its stages."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from overopt.engine.record import write_record
from overopt.engine.stage import Job
from overopt.report.pages import say_commits
from overopt.report.sentences import say_compute
from overopt.stages.tables import in_groups, summary
from overopt.study.study import load_study

ABOUT = {"device": "cpu", "packages": {"torch": "2"}, "git": {"commit": "a" * 40, "changed": False}}


def recorded(folder: Path, stage: str, seconds: float, started: float, **about: object) -> Path:
    folder.mkdir()
    values = {"stage": stage, "seconds": seconds, "started": started, "peak_memory_mb": 100.0}
    write_record(folder, ABOUT | values | about)
    return folder


@pytest.fixture
def job(tmp_path, runtime):
    """A study of three stages, of which the slowest came with the package."""
    parents = {
        "policy": recorded(tmp_path / "policy", "language_model", 1200.0, 0.0),
        "proxy": recorded(tmp_path / "proxy", "proxy", 30.0, 90_000.0),
        "PPO": recorded(tmp_path / "ppo", "ppo", 60.0, 90_100.0),
    }
    published = frozenset({"policy"})
    return Job(None, parents, tmp_path, runtime, lambda done, total: None, {}, None, published)


def test_what_published_stages_took_is_apart(job):
    found = summary(job, load_study("smoke"))
    assert found["seconds"] == 90.0
    assert set(found["costs"]) == {"proxy", "ppo"}
    assert found["published_costs"] == {"language_model": {"seconds": 1200.0, "memory": 1e8}}
    assert say_compute(found) == "90 seconds of compute (and 20.0 minutes where published stages were made)"


def test_every_commit_that_computed_a_stage_is_named_with_its_stages(job, tmp_path):
    """The last alone would be given what others computed; published stages are of older ones."""
    other, unknown = ({"git": {"commit": name, "changed": None}} for name in ("b" * 40, None))
    parents = job.parents | {
        "far": recorded(tmp_path / "far", "far_best_of_n", 1.0, 90_300.0, **other),
        "pairs": recorded(tmp_path / "pairs", "pairs", 1.0, 90_200.0, **unknown),
    }
    found = summary(replace(job, parents=parents), load_study("smoke"))
    assert found["git"] == "b" * 40
    assert list(found["commits"].items()) == [("a" * 40, 3), ("b" * 40, 1), ("unknown", 1)]
    assert say_commits(found) == "commits `aaaaaaaaaaaa` (3 stages), `bbbbbbbbbbbb` (1), `unknown` (1)"
    one = summary(job, load_study("smoke"))
    before = {name: value for name, value in one.items() if name != "commits"}
    assert say_commits(one) == say_commits(before) == "commit `aaaaaaaaaaaa`"
    assert say_commits(before | {"git": None}) == "commit `unknown`"


def test_a_study_without_published_stages_says_nothing_of_them(job):
    found = summary(
        Job(None, job.parents, job.out, job.runtime, job.progress, {}, job.checkpoint), load_study("smoke")
    )
    assert found["seconds"] == 1290.0
    assert found["published_costs"] == {}
    del found["published_costs"]  # as in tables that were made before
    assert say_compute(found) == "21.5 minutes of compute"


def test_means_over_groups_of_prompts_have_the_mean_and_its_error():
    rng, prompts, groups = np.random.default_rng(0), 512, 64
    rows = [
        {"record": record, "n": n, "step": None, "prompt": prompt, "gold": value}
        for record in "ab"
        for n in (1, 2)
        for prompt, value in enumerate(rng.normal(n, 1, prompts))
    ]
    whole = pl.DataFrame(rows, schema_overrides={"step": pl.Int64})
    found = in_groups(whole, groups)
    assert found.columns == whole.columns
    assert len(found) == 4 * groups
    for (record, n), points in whole.group_by("record", "n"):
        of = found.filter(record=record, n=n)
        assert of["prompt"].to_list() == list(range(groups))
        assert of["gold"].mean() == pytest.approx(points["gold"].mean())
        first = points.filter(pl.col("prompt") % groups == 0)["gold"].mean()
        assert of.filter(prompt=0)["gold"].item() == pytest.approx(first)
        # an eighth of the values, each with an eighth of their variance: the mean's error is what it was
        error = of["gold"].std() / groups**0.5
        assert error == pytest.approx(points["gold"].std() / prompts**0.5, rel=0.25)
