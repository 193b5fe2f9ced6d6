"""The graph of a study: order, keys, and what they depend on."""

import json

import pytest

from overopt.plan import plan
from overopt.runner import heights
from overopt.store import canonical_json
from overopt.study import Study, available, load_study


def changed(study, path, value):
    """`study` with the field at dotted `path` set to `value`."""
    fields = study.model_dump(mode="json")
    *parents, last = path.split(".")
    inner = fields
    for name in parents:
        inner = inner[name]
    inner[last] = value
    return Study.model_validate(fields)


def keys(study):
    return {stage.title: stage.key for stage in plan(study).stages}


@pytest.mark.parametrize("name", available())
def test_stages_follow_their_parents_and_their_specs_are_json(name):
    seen = set()
    for stage in plan(load_study(name)).stages:
        assert {parent.key for parent in stage.parents.values()} <= seen
        assert json.loads(canonical_json(stage.spec)) == dict(stage.spec)
        seen.add(stage.key)


@pytest.mark.parametrize("name", available())
def test_titles_and_keys_are_unique(name):
    stages = plan(load_study(name)).stages
    assert len({stage.title for stage in stages}) == len({stage.key for stage in stages}) == len(stages)


@pytest.mark.parametrize(
    ("path", "value", "first"),
    [
        ("ppo.run.learning_rate", 5e-4, {"PPO 1k, 640 pairs, seed 0"}),
        ("ppo.run.epochs", 2, {"decoys against 1k, ratings and fluency", "PPO 1k, 640 pairs, seed 0"}),
        ("best_of_n.max_n", 32, {"best-of-n 1k, 640 pairs, seed 0"}),
        ("models.7k.learning_rate", 1e-3, {"language model 7k"}),
        ("gold.rating.shape.heads", 3, {"rating model 0 of gold", "rating model 1 of gold"}),
        ("gold.fluency.texts", 100, {"decoys against 1k, ratings and fluency", "gold reward model"}),
        ("seed", 1, {"corpus"}),
    ],
)
def test_a_field_changes_what_depends_on_it(path, value, first):
    before, after = keys(load_study("smoke")), keys(changed(load_study("smoke"), path, value))
    for title in first | {"tables"}:
        assert before[title] != after[title], title


def test_a_field_leaves_the_rest_alone():
    before = keys(load_study("smoke"))
    after = keys(changed(load_study("smoke"), "proxies.learning_rates.1k", 1e-3))
    moved = {title for title in before if before[title] != after[title]}
    assert moved == {
        f"{kind} 1k, 640 pairs, seed 0" for kind in ("proxy", "best-of-n", "far best-of-n", "PPO")
    } | {"tables"}


def test_a_larger_grid_keeps_the_results_of_the_smaller():
    smoke = load_study("smoke")
    larger = changed(changed(smoke, "proxies.pairs", [320, 640]), "ppo.kl_penalties", [0.0, 0.1])
    before, after = keys(smoke), keys(larger)
    assert {title: after[title] for title in before if title != "tables"} == {
        title: key for title, key in before.items() if title != "tables"
    }
    assert "PPO 7k, 640 pairs, seed 0, penalty 0.1" in after


def test_heights_against_a_slow_count():
    graph = plan(load_study("smoke"))

    def chain(key):
        children = {s.key for s in graph.stages if key in {parent.key for parent in s.parents.values()}}
        return max((1 + chain(child) for child in children), default=0)

    assert heights(graph) == {stage.key: chain(stage.key) for stage in graph.stages}
