"""PPO where the answer is known: a bandit, and a KL penalty whose optimum can be written down."""

import copy
import math

import pytest
import torch

from overopt.models.build import new_reward_model
from overopt.models.log_probs import token_log_probs
from overopt.models.samples import Prompts
from overopt.optimisers.ppo import Models, Trainer, token_values
from overopt.study.ppo_parts import PPO
from overopt.training.optim import Diverged

CONFIG = PPO(
    batch=128,
    minibatch=64,
    epochs=2,
    learning_rate=1e-2,
    value_learning_rate=1e-2,
    prompts=1,
    max_steps=30,
    max_kl=1000,
    spacing=1,
    evaluation_samples=1,
)


def prompt(*tokens):
    ids = torch.tensor([tokens])
    return Prompts(ids, torch.ones_like(ids, dtype=torch.bool))


def ppo(*given, **options):
    trainer = Trainer(*given, **options)
    while trainer.step < trainer.config.max_steps:
        yield trainer.iterate()


def run(policy, reward, config=CONFIG, *, tokens=1, kl_penalty=0.0, seed=0, value_model=None, prompts=None):
    reference = copy.deepcopy(policy)
    value_model = value_model or new_reward_model(policy, seed=1)
    return ppo(
        Models(policy, reference, value_model),
        reward,
        prompts or prompt(1, 3),
        config,
        completion_tokens=tokens,
        kl_penalty=kl_penalty,
        generator=torch.Generator().manual_seed(seed),
    )


@torch.no_grad()
def probabilities(model, samples):
    log_probs = token_log_probs(model, samples)
    return (log_probs * samples.mask).sum(-1).double().exp()


def test_a_value_is_of_the_state_before_its_token(small_vocabulary, sharpen, all_completions):
    value_model = sharpen(new_reward_model(small_vocabulary(1), seed=1), 3.0)
    samples = all_completions([1, 3], 5, 3)[::9]
    with torch.no_grad():
        got = token_values(value_model, samples)
        for i, length in enumerate(samples.lengths.tolist()):
            for t in range(length):
                before = torch.cat([samples.prompts.ids[i], samples.ids[i, :t]])[None]
                hidden = value_model.transformer(before).last_hidden_state
                assert got[i, t].item() == pytest.approx(value_model.score(hidden)[0, -1, 0].item(), abs=1e-5)
    assert got[samples.mask].std() > 0.05


@pytest.mark.parametrize("of_each", [None, 4])
@pytest.mark.parametrize("best", [2, 4])  # 2 is EOS
def test_finds_the_best_arm_of_a_bandit(small_vocabulary, all_completions, best, of_each):
    policy = small_vocabulary(1, factor=1.0)
    arms = all_completions([1, 3], 5, 1)
    config = CONFIG.model_copy(update={"leave_one_out": of_each})
    seen = list(run(policy, lambda samples: (samples.ids[:, 0] == best).float(), config))
    before, after = seen[0], probabilities(policy, arms)
    assert [one.step for one in seen] == list(range(1, 31))
    assert before.kl == pytest.approx(0, abs=1e-6)
    assert before.reward < 0.5
    assert before.length == 1
    assert after[best] > 0.97
    # all on one arm: the KL is -log of what the arm had, the entropy nearly 0
    assert seen[-1].entropy < 0.3 < before.entropy
    assert seen[-1].kl == pytest.approx(-math.log(before.reward), abs=0.5)
    assert seen[-1].reward > 0.95
    assert max(one.clip_fraction for one in seen) > 0.02


@pytest.mark.parametrize("of_each", [None, 8])
def test_a_kl_penalty_leads_to_the_tilted_distribution(small_vocabulary, all_completions, of_each):
    beta, vocabulary, tokens = 0.5, 5, 2
    policy = small_vocabulary(1, factor=1.5)
    every = all_completions([1, 3], vocabulary, tokens)
    base = probabilities(policy, every)
    rewards = torch.randn(len(every), generator=torch.Generator().manual_seed(3))
    place = {tuple(row): i for i, row in enumerate(every.ids.tolist())}
    tilted = base * (rewards.double() / beta).exp()
    tilted /= tilted.sum()
    assert 0.5 * (tilted - base).abs().sum() > 0.3  # a long way to go

    def reward(samples):
        return rewards[[place[tuple(row)] for row in samples.ids.tolist()]]

    reference, value_model = copy.deepcopy(policy), new_reward_model(policy, seed=1)
    # each leg with a smaller step: whitened advantages never let a large one settle
    for leg, rate in enumerate((1e-2, 3e-3, 5e-4)):
        rates = {"learning_rate": rate, "value_learning_rate": rate}
        config = CONFIG.model_copy(update={"batch": 256, "minibatch": 128, "leave_one_out": of_each, **rates})
        for _ in ppo(
            Models(policy, reference, value_model),
            reward,
            prompt(1, 3),
            config,
            completion_tokens=tokens,
            kl_penalty=beta,
            generator=torch.Generator().manual_seed(leg),
        ):
            pass
    distance = 0.5 * (probabilities(policy, every) - tilted).abs().sum()
    assert distance < 0.05


def test_same_seed_same_policy_bit_for_bit(small_vocabulary):
    config = CONFIG.model_copy(update={"max_steps": 3})
    finals = []
    for seed in (0, 0, 1):
        policy = small_vocabulary(1)
        list(run(policy, lambda samples: samples.ids.float().mean(-1), config, tokens=3, seed=seed))
        finals.append(policy.state_dict())
    assert all(torch.equal(finals[0][name], finals[1][name]) for name in finals[0])
    assert not all(torch.equal(finals[0][name], finals[2][name]) for name in finals[0])


def test_a_run_goes_on_from_its_state_bit_for_bit(small_vocabulary):
    def fresh(seed):
        policy = small_vocabulary(seed)
        return Trainer(
            Models(policy, small_vocabulary(1), new_reward_model(policy, seed=seed)),
            lambda samples: samples.ids.float().mean(-1),
            prompt(1, 3),
            CONFIG,
            completion_tokens=3,
            kl_penalty=0.1,
            generator=torch.Generator().manual_seed(seed),
        )

    whole, first, second = fresh(1), fresh(1), fresh(2)
    for _ in range(2):
        whole.iterate()
        first.iterate()
    second.restore(first.state())
    assert [whole.iterate() for _ in range(2)] == [second.iterate() for _ in range(2)]
    expected, got = whole.state(), second.state()
    assert expected.keys() == got.keys()
    assert any("exp_avg_sq" in name for name in expected)
    assert all(torch.equal(expected[name], got[name]) for name in expected)
    assert second.step == 4


def test_the_reference_and_the_reward_are_left_alone(small_vocabulary):
    policy, reference = small_vocabulary(1), small_vocabulary(1)
    before = copy.deepcopy(reference.state_dict())
    value_model = new_reward_model(policy, seed=1)
    old_values = copy.deepcopy(value_model.state_dict())
    for _ in ppo(
        Models(policy, reference, value_model),
        lambda samples: samples.lengths.float(),
        prompt(1),
        CONFIG.model_copy(update={"max_steps": 2}),
        completion_tokens=3,
        kl_penalty=0.1,
        generator=torch.Generator().manual_seed(0),
    ):
        pass
    assert all(torch.equal(before[name], value) for name, value in reference.state_dict().items())
    assert any(not torch.equal(before[name], value) for name, value in policy.state_dict().items())
    assert any(not torch.equal(old_values[name], value) for name, value in value_model.state_dict().items())


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_reward_that_is_not_finite_stops_the_run_and_names_the_step(small_vocabulary, bad):
    calls = []

    def reward(samples):
        calls.append(1)
        scores = samples.ids[:, 0].float()
        if len(calls) == 3:
            scores[5] = bad
        return scores

    seen = []
    with pytest.raises(Diverged, match=r"PPO: gradient: found nan at step 3"):
        seen.extend(one.step for one in run(small_vocabulary(1), reward))
    assert seen == [1, 2]
