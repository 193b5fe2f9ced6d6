"""What is recorded for whoever has no gold: spread and likelihood by hand, and which proxies look on."""

import math

import pytest
import torch

from overopt.models.samples import Prompts, Samples
from overopt.plan.study_plan import plan
from overopt.rewards.joined import Ensemble
from overopt.rewards.scoring import Scale
from overopt.stages.watching import Watchers
from overopt.study.study import load_study, parse_study

OF = "1k, 640 pairs, seed"


class Says:
    """A proxy with these scores."""

    def __init__(self, *scores):
        self.scores = torch.tensor(scores)

    def score(self, samples, *, batch):
        return self.scores


def watchers(*, others=(), joined=None):
    made = Watchers.__new__(Watchers)  # nothing is loaded
    made.minibatch, made.batch, made.others, made.joined = 2, 2, list(others), joined
    return made


@pytest.fixture
def looked(small_vocabulary):
    """What is seen of two completions of two tokens, scored 0 and 2, by a base policy that finds all tokens alike."""
    base = small_vocabulary(1, factor=0.0)
    prompts = Prompts(torch.tensor([[1, 3]] * 2), torch.ones(2, 2, dtype=torch.bool))
    samples = Samples(prompts, torch.tensor([[3, 4], [4, 4]]), torch.ones(2, 2, dtype=torch.bool))
    tokens = base.config.vocab_size
    return lambda **options: (watchers(**options).look(samples, torch.tensor([0.0, 2.0]), base), tokens)


def test_one_proxy_alone_has_no_spread(looked):
    seen, tokens = looked()
    assert seen["spread"] is None
    assert seen["base_log_prob"] == pytest.approx(-2 * math.log(tokens), abs=1e-4)


def test_the_spread_is_that_over_proxies_on_their_scales_not_over_texts(looked):
    seen, _ = looked(others=[(Says(1.0, 1.0), Scale(2.0, 0.0))])  # says 2 of both
    assert seen["spread"] == pytest.approx((math.sqrt(2) + 0.0) / 2)
    members = [(Says(0.0, 5.0), Scale(1.0, 0.0)), (Says(2.0, 5.0), Scale(1.0, 0.0))]
    seen, _ = looked(joined=Ensemble(members, "worst"))
    assert seen["spread"] == pytest.approx(math.sqrt(2) / 2)


@pytest.mark.parametrize(("seeds", "looking"), [(1, []), (2, [1])])
def test_no_proxy_looks_on_at_what_is_optimised_against_itself(seeds, looking):
    """Where a study has fewer other seeds than watchers, there are fewer; of a lone proxy no spread is known."""
    fields = load_study("smoke").model_dump(mode="json") | {"watchers": 2}
    fields["proxies"]["grids"].append({"models": ["1k"], "pairs": [640], "seeds": seeds})
    run = {stage.title: stage for stage in plan(parse_study(fields)).stages}[f"PPO {OF} 0"]
    found = [
        parent.spec["seed"]
        for role, parent in run.parents.items()
        if role.startswith("watcher_") and "scale" not in role
    ]
    assert found == looking
    assert run.spec["watched"]


def test_proxies_of_the_seeds_that_follow_look_on():
    fields = load_study("smoke").model_dump(mode="json")
    fields["proxies"]["grids"].append({"models": ["1k"], "pairs": [640], "seeds": 3})
    plain = {stage.title: stage for stage in plan(parse_study(fields)).stages}
    assert "watched" not in plain[f"PPO {OF} 0"].spec
    assert not any("watcher" in role for role in plain[f"PPO {OF} 0"].parents)
    fields["watchers"] = 2
    stages = {stage.title: stage for stage in plan(parse_study(fields)).stages}
    run = stages[f"PPO {OF} 0"]
    assert run.spec["watched"]
    for k, seed in enumerate((1, 2)):
        assert run.parents[f"watcher_{k}"] is stages[f"proxy {OF} {seed}"]
        assert run.parents[f"watcher_scale_{k}"] is stages[f"best-of-n {OF} {seed}"]
    assert "watcher_2" not in run.parents
