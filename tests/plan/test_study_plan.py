"""The graph of a study: order, keys, and what they depend on."""

import functools
import json
import subprocess
import sys

import pytest
from smoke_fixtures import OF_ALL_CURVES

from overopt.engine.record import canonical_json
from overopt.plan import prices
from overopt.plan.core_speed import CORE_DRAWING_TFLOPS, CORE_TFLOPS
from overopt.plan.prices import heights
from overopt.plan.study_plan import plan
from overopt.study.study import available, load_study, parse_study


def changed(study, path, value):
    """`study` with the field at dotted `path` set to `value`."""
    fields = study.model_dump(mode="json")
    *parents, last = path.split(".")
    inner = fields
    for name in parents:
        inner = inner[name]
    inner[last] = value
    return parse_study(fields)


def keys(study):
    return {stage.title: stage.key for stage in plan(study).stages}


@pytest.mark.parametrize("name", available())
def test_stages_follow_their_parents_and_their_specs_are_json(name):
    seen = set()
    for stage in plan(load_study(name)).stages:
        assert {parent.key for parent in stage.parents.values()} <= seen
        assert json.loads(canonical_json(stage.spec)) == dict(stage.spec)
        seen.add(stage.key)
        assert callable(stage.run.imported())


def test_a_plan_needs_no_torch():
    """It would cost seconds, and hundreds of megabytes, each time somebody asks what is left to do."""
    code = "import sys; from overopt.cli.commands import plan; plan('smoke', json=True); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("name", available())
def test_titles_and_keys_are_unique(name):
    stages = plan(load_study(name)).stages
    assert len({stage.title for stage in stages}) == len({stage.key for stage in stages}) == len(stages)


@pytest.mark.parametrize(
    ("path", "value", "first"),
    [
        ("best_of_n.max_n", 32, {"best-of-n 1k, 640 pairs, seed 0"}),
        ("models.7k.learning_rate", 1e-3, {"language model 7k"}),
        ("gold.rating.shape.heads", 4, {"rating model 0 of gold"}),
        ("gold.real.texts", 100, {"classifier of real text", "gold reward model", "policy 7k"}),
        ("gold.doubted", 0.1, {"gold reward model"}),
        ("sharpening.prompts", 100, {"policy 7k", "policy 1k"}),
        ("gold.second", True, {"rating model 0 of gold", "gold reward model", "pool"}),
        ("ppo.run.spacing", 0.5, {"PPO 1k, 640 pairs, seed 0"}),
        ("models.judge.tokens", 50_000, {"policy 7k", "classifier of real text", "gold reward model"}),
        ("pairs.per_prompt", 1, {"labelled pairs", "pairs of the sweep"}),
        ("proxies.learning_rates.pairs", 128, {"pairs of the sweep", "learning rates"}),
        ("iterated.distance", 2.0, {"PPO 1k, 320 pairs, seed 0, round 1 of 2"}),
        ("ppo_sweep.samples", 128, {"base samples of the PPO sweep", "settings of PPO"}),
        ("seed", 1, {"corpus"}),
    ],
)
def test_a_field_changes_what_depends_on_it(path, value, first):
    """The first stages that depend on what differs have other keys, and so have the tables; the tokenizer seldom has."""
    smoke = load_study("smoke")
    other = changed(smoke, path, value)
    before, after = keys(smoke), keys(other)
    for title in first | {"tables"}:
        assert before[title] != after[title], title
    assert (before["tokenizer"] == after["tokenizer"]) == (smoke.seed == other.seed)


def test_gold_never_sees_what_a_policy_wrote():
    """Of a policy's samples, and what is made of them, nothing is behind gold."""
    stages = {stage.title: stage for stage in plan(load_study("smoke")).stages}

    def behind(stage):
        return {stage.title} | {title for parent in stage.parents.values() for title in behind(parent)}

    assert behind(stages["gold reward model"]) == {
        "corpus", "tokenizer", "language model judge", "word vectors", "rating model 0 of gold",
        "classifier of real text", "gold reward model",
    }  # fmt: skip


def test_only_a_gold_with_gates_is_asked_for_its_halves():
    stages = {stage.title: stage for stage in plan(load_study("smoke")).stages}
    halves = stages["halves of gold"]
    assert stages["tables"].parents["halves of gold"] is halves
    recording = {title for title, stage in stages.items() if stage.name in ("best_of_n", "ppo")}
    assert set(halves.parents) == {"tokenizer", "gold", "pool", *recording}
    assert "halves of gold" not in keys(load_study("pretrained-cpu"))


def test_a_field_leaves_the_rest_alone():
    smoke = load_study("smoke")
    smoke = changed(smoke, "proxies.learning_rates", {"1k": 2e-3, "7k": 2e-3})
    before, after = keys(smoke), keys(changed(smoke, "proxies.learning_rates.7k", 1e-3))
    moved = {title for title in before if before[title] != after[title]}
    kinds = [
        f"{kind} 7k, {pairs} pairs, seed 0" for kind in ("proxy", "best-of-n") for pairs in (160, 320, 640)
    ]
    assert moved == {*kinds, "PPO 7k, 640 pairs, seed 0", *OF_ALL_CURVES}


def test_a_swept_rate_comes_from_the_sweep():
    stages = {stage.title: stage for stage in plan(load_study("smoke")).stages}
    proxy, rates = stages["proxy 1k, 640 pairs, seed 0"], stages["learning rates"]
    assert proxy.spec["learning_rate"] is None
    assert proxy.parents["recipe"] is rates
    tried = {(stage.spec["model"], stage.spec["learning_rate"]) for stage in rates.parents.values()}
    assert tried == {(model, rate) for model in ("1k", "7k") for rate in (2e-3, 4e-3)}
    # on prompts and a seed that nothing else uses
    swept, own = (
        next(iter(s.parents["pairs"] for s in group)) for group in (rates.parents.values(), [proxy])
    )
    assert swept.spec["skip"] == own.spec["skip"] + own.spec["prompts"]
    assert {stage.spec["seed"] for stage in rates.parents.values()}.isdisjoint(range(100))


def test_rounds_start_from_the_policy_before_and_know_the_first():
    stages = {stage.title: stage for stage in plan(load_study("smoke")).stages}
    first, second = (stages[f"PPO 1k, 320 pairs, seed 0, round {k} of 2"] for k in (1, 2))
    assert second.parents["policy"] is first
    assert second.parents["initial"] is first.parents["policy"] is stages["policy 7k"]
    assert second.parents["proxy"].parents["pairs"].parents["policy"] is first
    assert first.spec["ppo"]["max_kl"] == second.spec["ppo"]["max_kl"] == 0.09
    assert (second.spec["curve"]["rounds"], second.spec["curve"]["round"]) == (2, 2)


def test_later_rounds_draw_random_numbers_of_their_own():
    fields = load_study("smoke").model_dump(mode="json") | {"seed": 1}
    grid = {"models": ["1k"], "pairs": [320], "seeds": 2}
    fields["proxies"]["grids"].append(grid)
    fields["iterated"] |= {"grid": grid, "rounds": [2, 3]}
    stages = plan(parse_study(fields)).stages
    runs = {stage.title: stage for stage in stages if stage.name == "ppo"}
    of = "PPO 1k, 320 pairs, seed"
    for seed in (0, 1):  # the first round is the plain run, stopped early
        assert {runs[f"{of} {seed}, round 1 of {k}"].spec["seed"] for k in (2, 3)} == {1 + seed}
    later = [
        f"{of} {seed}, round {k} of {rounds}" for seed in (0, 1) for rounds, k in ((2, 2), (3, 2), (3, 3))
    ]
    for made in (
        lambda run: run,
        lambda run: run.parents["proxy"],
        lambda run: run.parents["proxy"].parents["pairs"],
    ):
        seeds = {made(runs[title]).spec["seed"] for title in later}
        assert len(seeds) == len(later)
        assert seeds.isdisjoint({0, 1, 2})


def test_a_larger_grid_keeps_the_results_of_the_smaller():
    smoke = load_study("smoke")
    grid = {"models": ["7k"], "pairs": [480], "seeds": 2}
    larger = changed(smoke, "proxies.grids", [*smoke.model_dump(mode="json")["proxies"]["grids"], grid])
    runs = [{"grid": grid, "kl_penalties": [0.0, 0.1]}]
    larger = changed(larger, "ppo.grids", [*smoke.model_dump(mode="json")["ppo"]["grids"], *runs])
    before, after = keys(smoke), keys(larger)
    assert {title for title in before if before[title] != after[title]} == set(OF_ALL_CURVES)
    assert "PPO 7k, 480 pairs, seed 1, penalty 0.1" in after


def test_heights_against_a_slow_count():
    graph = plan(load_study("smoke"))

    of_key = {stage.key: stage for stage in graph.stages}
    children = {stage.key: [] for stage in graph.stages}
    for stage in graph.stages:
        for parent in {parent.key: parent for parent in stage.parents.values()}:
            children[parent].append(stage)

    @functools.cache
    def chain(key):
        stage = of_key[key]
        price = prices.price(stage, 64)
        seconds = 1 + price.rest / (CORE_TFLOPS * 1e12) + price.drawing / (CORE_DRAWING_TFLOPS * 1e12)
        return seconds + max((chain(child.key) for child in children[key]), default=0)

    found = heights(graph, 64)
    assert found == pytest.approx({key: chain(key) for key in of_key})
    by_title = {stage.title: found[stage.key] for stage in graph.stages}
    assert by_title["pool"] > by_title["best-of-n 1k, 640 pairs, seed 0"] > by_title["tables"] == 1


def test_predictions_are_written_before_what_they_are_about():
    graph = plan(load_study("methods"))
    found = heights(graph)
    of_name = {
        name: [found[s.key] for s in graph.stages if s.name == name]
        for name in ("prediction", "best_of_n", "ppo")
    }
    assert min(of_name["prediction"]) > max(of_name["best_of_n"] + of_name["ppo"])
    needed = [
        parent for stage in graph.stages if stage.name == "prediction" for parent in stage.parents.values()
    ]
    assert min(found[parent.key] for parent in needed) > max(of_name["prediction"])


def test_proxies_of_turned_labels_are_others_and_their_curves_say_so():
    clean = load_study("smoke")
    stages = {stage.title: stage for stage in plan(clean).stages}
    plain, noisy = (
        stages["proxy 1k, 320 pairs, seed 0"],
        stages["proxy 1k, 320 pairs, 25% of labels turned, seed 0"],
    )
    assert "label_noise" not in plain.spec
    assert noisy.spec["label_noise"] == 0.25
    curves = [
        stages[f"best-of-n {stage.title.removeprefix('proxy ')}"].spec["curve"] for stage in (plain, noisy)
    ]
    assert [curve["label_noise"] for curve in curves] == [0.0, 0.25]
