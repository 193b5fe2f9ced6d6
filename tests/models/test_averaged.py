"""Averaged weights: their arithmetic mean, and nothing where models are equal or do not match."""

import copy

import pytest
import torch

from overopt.models.averaged import average_weights
from overopt.models.build import new_reward_model


@pytest.fixture
def models(language_model):
    """Three reward models of one language model, moved apart."""
    made = [new_reward_model(language_model, 0) for _ in range(3)]
    for seed, model in enumerate(made):
        draw = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(torch.randn(weight.shape, generator=draw))
    return made


def test_every_weight_is_the_arithmetic_mean(models):
    before = [{name: w.detach().clone() for name, w in model.named_parameters()} for model in models]
    averaged = dict(average_weights(models).named_parameters())
    assert set(averaged) == set(before[0])
    for name, weight in averaged.items():
        torch.testing.assert_close(weight.detach(), sum(of[name] for of in before) / 3, msg=name)
        assert not torch.allclose(weight, before[0][name], atol=0.1), name
    # the others are as they were
    assert all(torch.equal(w, before[1][name]) for name, w in models[1].named_parameters())


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_equal_models_stay_what_they_are(models, count):
    model = models[0]
    before = copy.deepcopy(model.state_dict())
    averaged = average_weights([model, *(copy.deepcopy(model) for _ in range(count - 1))]).state_dict()
    assert all(torch.equal(averaged[name], weight) for name, weight in before.items())


def test_models_that_do_not_match_are_refused(models, small_vocabulary):
    with pytest.raises(ValueError, match="found none"):
        average_weights([])
    with pytest.raises(ValueError, match="other names or shapes"):
        average_weights([models[0], new_reward_model(small_vocabulary(0), 0)])
