"""Draws from a cumulative distribution in two steps, against the distribution summed up whole."""

import numpy as np
import pytest
import torch

from overopt.models.fast.drawing import BLOCK, draw_tokens


@pytest.mark.parametrize("vocabulary", [3, BLOCK, BLOCK + 1, 4096])
def test_every_token_owns_the_stretch_of_its_probability(vocabulary):
    weights = torch.rand(200, vocabulary, generator=torch.Generator().manual_seed(0)) ** 4
    uniforms = torch.rand(200, generator=torch.Generator().manual_seed(1))
    sums = weights.double().cumsum(-1).numpy()
    token = draw_tokens(weights, uniforms).numpy()
    target, rows = uniforms.double().numpy() * sums[:, -1], np.arange(200)
    rounding = 1e-6 * sums[:, -1]
    assert (sums[rows, token] > target - rounding).all()
    assert (sums[rows, token] - weights.numpy()[rows, token] <= target + rounding).all()


def test_tokens_come_as_often_as_they_are_likely():
    probabilities = torch.tensor([0.5, 0.0, 0.2, 0.3]).repeat_interleave(40) / 40  # three blocks
    even = (torch.arange(20_000) + 0.5) / 20_000
    counts = draw_tokens(probabilities.expand(20_000, -1), even).bincount(minlength=160)
    assert torch.allclose(counts / 20_000, probabilities, atol=2e-4)


@pytest.mark.parametrize("uniform", [0.0, 0.5, 1 - 2**-24, 1.0])
@pytest.mark.parametrize("only", [0, BLOCK - 1, BLOCK, 299])
def test_what_cannot_be_is_never_drawn(only, uniform):
    probabilities = torch.zeros(1, 300)
    probabilities[0, only] = 1 / 3
    assert draw_tokens(probabilities, torch.tensor([uniform])).tolist() == [only]
