"""The reward model that a policy is: 0 before it learns, then on gold's scale as any proxy."""

import copy
import math

import numpy as np
import pytest
import torch

from overopt.models.log_probs import token_log_probs
from overopt.rewards.implicit import ImplicitReward
from overopt.rewards.pairs import LabelledPairs
from overopt.rewards.scoring import proxy_gain


@pytest.fixture
def texts(all_completions):
    return all_completions([1, 3], 5, 2)


@pytest.fixture
def held_out(texts):
    """Pairs whose gold is a known number for each text, in base-policy SDs."""
    gold = torch.linspace(-1, 1, len(texts))
    first, second = torch.randint(len(texts), (2, 60), generator=torch.Generator().manual_seed(0))
    return LabelledPairs(texts[first], texts[second], gold[first] - gold[second])


def reward_of(policy, reference, held_out, base, beta=0.2):
    return ImplicitReward(policy, reference, beta, held_out, base, batch=16)


def test_before_it_learns_nothing_is_preferred(small_vocabulary, texts, held_out):
    reference = small_vocabulary(0)
    reward = reward_of(copy.deepcopy(reference), reference, held_out, texts)
    found = reward.calibrate()
    assert found == {"rm_loss": pytest.approx(math.log(2)), "rm_accuracy": 0.5}
    assert reward(texts).abs().max() == 0


def test_it_is_on_the_scale_of_proxies_with_the_base_policy_at_0(small_vocabulary, texts, held_out):
    policy, reference = small_vocabulary(1), small_vocabulary(0)
    base = texts[[0, 3, 3, 7, 11]]
    reward = reward_of(policy, reference, held_out, base)
    found = reward.calibrate()

    def raw(samples):
        with torch.inference_mode():
            now, before = (token_log_probs(model, samples).sum(-1) for model in (policy, reference))
        return 0.2 * (now - before).double()

    margins = (raw(held_out.first) - raw(held_out.second)).numpy()
    gain = proxy_gain(margins, held_out.margin.double().numpy())
    scaled = gain * (raw(texts) - raw(base).mean())
    torch.testing.assert_close(reward(texts).double(), scaled, atol=1e-4, rtol=1e-4)
    assert reward(base).mean().item() == pytest.approx(0, abs=1e-5)
    signed = np.where(held_out.first_wins, margins, -margins)
    assert found["rm_loss"] == pytest.approx(np.log1p(np.exp(-signed)).mean(), abs=1e-5)
    right = (signed > 1e-6).mean() + 0.5 * (np.abs(signed) <= 1e-6).mean()
    assert found["rm_accuracy"] == pytest.approx(right)


def test_it_follows_the_policy_and_on_its_scale_not_beta(small_vocabulary, texts, held_out):
    policy, reference = small_vocabulary(0), small_vocabulary(0)
    rewards = [reward_of(policy, reference, held_out, texts, beta) for beta in (0.1, 0.5)]
    with torch.no_grad():
        for now, other in zip(policy.parameters(), small_vocabulary(3).parameters(), strict=True):
            now.lerp_(other, 0.5)
    losses = [reward.calibrate()["rm_loss"] for reward in rewards]
    one, other = (reward(texts) for reward in rewards)
    assert one.std() > 0
    torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    assert losses[0] != pytest.approx(losses[1], abs=1e-4)  # that of raw margins, which have beta
