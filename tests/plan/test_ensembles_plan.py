"""The stages of ensembles: which proxies are members, what is measured of them, and what it costs."""

import pytest
from smoke_fixtures import OF_ALL_CURVES

from overopt.plan.costs import scorers, size
from overopt.plan.prices import price
from overopt.plan.study_plan import plan
from overopt.study.study import load_study, parse_study

GRID = {"models": ["1k"], "pairs": [640], "seeds": 6}
HOW = ["mean", "worst", "variance", "weights"]
SMOKE = load_study("smoke")


@pytest.fixture(scope="module")
def stages():
    """The plan of `smoke` with two ensembles of three, by title."""
    fields = SMOKE.model_dump(mode="json")
    fields["proxies"]["grids"].append(GRID)
    ensembles = {"grid": GRID, "members": 3, "joins": HOW, "weight": 0.5, "ppo": ["worst", "weights"]}
    fields["ensembles"] = ensembles | {"kl_penalties": [0.0, 0.1]}
    return {stage.title: stage for stage in plan(parse_study(fields)).stages}


def test_seeds_are_taken_as_many_at_a_time_as_there_are_members(stages):
    second = stages["proxies 1k, 640 pairs, seed 3 to 5, worst of 3"].parents
    for k, seed in enumerate((3, 4, 5)):
        assert second[f"member_{k}"] is stages[f"proxy 1k, 640 pairs, seed {seed}"]
        assert second[f"scale_{k}"] is stages[f"best-of-n 1k, 640 pairs, seed {seed}"]
    assert second["pairs"] is stages["labelled pairs"]
    of_each = [stage for stage in stages.values() if stage.name in ("ensemble", "averaged_proxy")]
    assert len(of_each) == 2 * len(HOW)


def test_each_is_measured_as_a_proxy_is(stages):
    for how in ("mean of 3", "worst of 3", "variance of 3, weight 0.5", "weights of 3"):
        for seed in (0, 1):
            curve = stages[f"best-of-n 1k, 640 pairs, seed {seed}, {how}"]
            assert curve.parents["proxy"].name == ("averaged_proxy" if "weights" in how else "ensemble")
            assert (curve.spec["curve"]["ensemble"], curve.spec["curve"]["seed"]) == (how, seed)
    ppo = {title for title, stage in stages.items() if stage.name == "ppo" and " of 3" in title}
    assert ppo == {
        f"PPO 1k, 640 pairs, seed {seed}, {how} of 3{penalty}"
        for seed in (0, 1)
        for how in ("worst", "weights")
        for penalty in ("", ", penalty 0.1")
    }
    run = stages["PPO 1k, 640 pairs, seed 1, worst of 3, penalty 0.1"]
    assert run.spec["kl_penalty"] == 0.1
    assert run.parents["scale"] is stages["best-of-n 1k, 640 pairs, seed 1, worst of 3"]
    assert run.parents["proxy"] is run.parents["scale"].parents["proxy"]


def test_weights_are_averaged_of_models_with_one_start(stages):
    plain = stages["proxy 1k, 640 pairs, seed 4"]
    for first in (0, 3):
        averaged = stages[f"proxies 1k, 640 pairs, seed {first} to {first + 2}, weights of 3"]
        members = [averaged.parents[f"member_{k}"] for k in range(3)]
        assert members[0] is stages[f"proxy 1k, 640 pairs, seed {first}"]
        assert [member.spec["seed"] for member in members] == [first, first + 1, first + 2]
        assert [member.spec.get("head_seed") for member in members] == [None, first, first]
    assert plain not in members
    assert dict(members[1].spec) == dict(plain.spec) | {"head_seed": 3}


def test_what_a_study_had_before_keeps_its_keys(stages):
    before = {stage.key for stage in plan(SMOKE).stages if stage.title not in OF_ALL_CURVES}
    assert before < {stage.key for stage in stages.values()}


def test_every_member_reads_what_an_ensemble_scores(stages):
    one = size(stages["proxy 1k, 640 pairs, seed 0"])
    joined = stages["proxies 1k, 640 pairs, seed 0 to 2, worst of 3"]
    averaged = stages["proxies 1k, 640 pairs, seed 0 to 2, weights of 3"]
    assert (scorers(joined), scorers(averaged)) == ([one] * 3, [one])
    # 80 held-out pairs of 26 tokens a text
    assert [price(stage, 256).tokens for stage in (joined, averaged)] == [3 * 2 * 80 * 26, 2 * 80 * 26]
    names = ("best-of-n 1k, 640 pairs, seed 0", "PPO 1k, 640 pairs, seed 0")
    for name in names:
        alone, by_three, by_mean = (
            price(stages[name + how], 256) for how in ("", ", worst of 3", ", weights of 3")
        )
        assert by_mean == alone
        assert by_three.memory >= alone.memory
        read = by_three.tokens - alone.tokens
        assert read == pytest.approx(2 * of_proxy(stages[name]))


def of_proxy(stage):
    """Tokens that the proxy reads: the pool, or what PPO draws and is looked at by."""
    if stage.name == "best_of_n":
        return 16 * 80 * 26
    run = SMOKE.ppo.run
    looks = 1 + min(run.max_steps, run.max_kl**0.5 / run.spacing) + run.max_steps / run.look_every
    return 26 * (run.max_steps * run.batch + looks * 16 * run.evaluation_samples)
