"""Adapters: the policy moves, the reference and the weights that both share do not."""

import pytest
import torch
from tiny_models import CONFIGS

from overopt.models.log_probs import sample_kl, token_log_probs
from overopt.models.pretrained import encode, load_policy
from overopt.models.sampling import sample_many
from overopt.models.seeding import generator
from overopt.study.pretrained_parts import LoRA
from overopt.training.lora import Adapted
from overopt.training.optim import learning


@pytest.fixture
def adapted(saved):
    """An adapted model, its samples before, and the same model without adapters."""

    def make(name):
        folder = saved(name, num_hidden_layers=2)
        alone, tokenizer = load_policy(folder)
        prompts = encode(["The film", "It was a slow"], tokenizer, most=40)
        samples = sample_many(alone, prompts, 8, 6, generator=generator(0, "x"))
        return Adapted(load_policy(folder)[0], LoRA(rank=2, alpha=4), 0), alone, samples

    return make


def moved(both, samples):
    """One large step of the adapters, towards the samples."""
    weights = [weight for _, weight in learning(both.policy)]
    loss = -token_log_probs(both.policy, samples).mean()
    loss.backward()
    with torch.no_grad():
        for weight in weights:
            weight -= 50.0 * (weight.grad if weight.grad is not None else 0)
    return weights


@pytest.mark.parametrize("name", CONFIGS)
def test_the_policy_moves_and_the_reference_stays(name, adapted):
    both, alone, samples = adapted(name)
    reference = both.reference()
    before = token_log_probs(alone, samples).detach()
    assert torch.allclose(token_log_probs(both.policy, samples), before, atol=1e-5)
    for _ in range(2):  # the first moves one half of each adapter only: the other begins at zero
        weights = moved(both, samples)
    assert 0 < sum(w.numel() for w in weights) < sum(w.numel() for w in alone.parameters()) / 2
    after = token_log_probs(both.policy, samples).detach()
    assert (after - before).abs().max() > 0.05
    assert torch.allclose(token_log_probs(reference, samples), before, atol=1e-5)
    # reading the reference does not switch the adapters off for good
    assert torch.equal(token_log_probs(both.policy, samples).detach(), after)
    assert sample_kl(both.policy, reference, samples).exact.mean() > 0.01


@pytest.mark.parametrize("name", CONFIGS)
def test_samples_come_from_the_adapted_policy_and_merging_changes_nothing(name, adapted):
    both, alone, samples = adapted(name)
    for _ in range(2):
        moved(both, samples)
    merged = both.merged()
    assert type(merged) is type(alone)
    assert set(merged.state_dict()) == set(alone.state_dict())
    drawn = [
        sample_many(m, samples.prompts, 1, 6, generator=generator(1, "y")) for m in (both.policy, merged)
    ]
    assert torch.equal(drawn[0].ids, drawn[1].ids)
    assert not torch.equal(
        drawn[0].ids, sample_many(alone, samples.prompts, 1, 6, generator=generator(1, "y")).ids
    )
    assert torch.allclose(token_log_probs(merged, samples), token_log_probs(both.policy, samples), atol=1e-4)


def test_the_reference_holds_no_weights_of_its_own(adapted):
    both, _, _ = adapted("llama")
    shared = {weight.data_ptr() for weight in both.policy.parameters()}
    assert {weight.data_ptr() for weight in both.reference().parameters()} <= shared
