"""Scores, the gold scale and the calibration of proxies."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, log_expit

from overopt.models.build import new_reward_model
from overopt.models.fast import packing
from overopt.models.samples import Prompts, Samples
from overopt.rewards.scoring import Scale, gold_scale, proxy_gain, scale_head, score


@pytest.fixture
def reward_model(small_vocabulary, sharpen):
    return sharpen(new_reward_model(small_vocabulary(0, vocabulary=9), seed=0), 3.0)


@pytest.fixture(params=[1, 5], ids=["prompts apart", "five of a prompt"])
def samples(request):
    """Prompts and completions of many lengths; no token is the padding token, so that transformers can count."""
    draw = torch.Generator().manual_seed(0)
    heads, tails = torch.randint(3, 9, (40, 4), generator=draw), torch.randint(3, 9, (40, 6), generator=draw)
    head = torch.arange(4) >= torch.randint(0, 4, (40, 1), generator=draw)
    heads, head = (part[:: request.param].repeat_interleave(request.param, 0) for part in (heads, head))
    tail = torch.arange(6) < torch.randint(1, 7, (40, 1), generator=draw)
    return Samples(Prompts(heads.where(head, 0), head), tails.where(tail, 0), tail)


def test_scores_are_those_of_transformers_own_classifier(reward_model, samples):
    got = score(reward_model, samples)
    assert got.std() > 0.1
    for i in range(len(samples)):
        tokens = (
            samples.prompts.ids[i][samples.prompts.mask[i]].tolist()
            + samples.ids[i][samples.mask[i]].tolist()
        )
        with torch.no_grad():
            expected = reward_model(input_ids=torch.tensor([tokens])).logits[0, 0]
        assert got[i].item() == pytest.approx(expected.item(), abs=1e-5)


def test_scores_come_in_the_order_of_the_samples_however_many_are_read_at_once(
    reward_model, samples, monkeypatch
):
    whole = score(reward_model, samples)
    assert torch.equal(score(reward_model, samples, batch=7), whole)  # on a CPU the batch changes nothing
    for rows in (1, 7, 40):
        monkeypatch.setattr(packing, "CPU_ROWS", rows)
        torch.testing.assert_close(score(reward_model, samples), whole, atol=1e-5, rtol=0)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(score(reward_model, samples[order]), whole[order], atol=1e-5, rtol=0)


@settings(max_examples=30, deadline=None)
@given(st.floats(-100, 100), st.floats(0.01, 100), st.integers(0, 99))
def test_gold_scale_puts_the_base_policy_at_mean_0_and_sd_1(mean, spread, seed):
    raw = mean + spread * torch.randn(500, generator=torch.Generator().manual_seed(seed)).double()
    scale = gold_scale(raw)
    scaled = scale(raw)
    assert scaled.mean().item() == pytest.approx(0, abs=1e-5)
    assert scaled.std().item() == pytest.approx(1, abs=1e-5)
    assert torch.equal(scaled.argsort(), raw.argsort())  # never turned round


def test_scale_is_gain_times_raw_plus_bias():
    assert Scale(gain=2.0, bias=-1.0)(torch.tensor([0.0, 3.0])).tolist() == [-1.0, 5.0]


@pytest.mark.parametrize("base", [torch.full((9,), 3.0), torch.tensor([1.0, float("nan")])])
def test_scores_without_spread_have_no_scale(base):
    with pytest.raises(ValueError, match="gold scores of the base policy: found no spread"):
        gold_scale(base)


@pytest.mark.parametrize("gain", [0.05, 1.0, 30.0])
def test_proxy_gain_recovers_a_known_gain(gain):
    gold = np.random.default_rng(0).normal(0, 2, 500)
    assert proxy_gain(gold / gain, gold) == pytest.approx(gain, rel=1e-3)


def test_proxy_gain_minimises_the_cross_entropy_against_soft_labels():
    rng = np.random.default_rng(1)
    gold = rng.normal(0, 2, 400)
    margins = 3 * gold + rng.normal(0, 5, 400)  # noisy and overconfident

    def cross_entropy(gain):
        p, logit = expit(gold), gain * margins
        return -np.mean(p * log_expit(logit) + (1 - p) * log_expit(-logit))

    found = proxy_gain(margins, gold)
    grid = np.geomspace(0.001, 3, 4000)
    assert found == pytest.approx(grid[np.argmin([cross_entropy(gain) for gain in grid])], rel=0.005)
    assert found < 1 / 3


def test_a_proxy_that_ranks_worse_than_chance_is_scaled_to_nothing():
    gold = np.random.default_rng(0).normal(0, 2, 100)
    assert 0 <= proxy_gain(-gold, gold) < 1e-4


def test_a_scaled_head_says_scores_on_the_scale(reward_model, samples):
    scale = Scale(3.0, -0.5)
    expected = scale(score(reward_model, samples))
    scale_head(reward_model, scale)
    assert torch.allclose(score(reward_model, samples), expected, atol=1e-5)
    assert expected.std() > 0.3
