"""Advantages against their definitions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from overopt.optimisers.advantages import gae, group_scaled, leave_one_out, masked_mean


def slow_gae(rewards, values, lam):
    """Eq. 16 of Schulman et al. 2015 as it is written, one row without padding."""
    end = len(rewards)
    following = [*values[1:], 0.0]
    delta = [rewards[t] + following[t] - values[t] for t in range(end)]
    return [sum(lam ** (k - t) * delta[k] for k in range(t, end)) for t in range(end)]


numbers = st.floats(-3, 3, width=32)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.floats(0, 1), st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_gae_against_its_definition(data, lam, lengths):
    width = 5
    table = st.lists(
        st.lists(numbers, min_size=width, max_size=width), min_size=len(lengths), max_size=len(lengths)
    )
    rewards, values = torch.tensor(data.draw(table)), torch.tensor(data.draw(table))
    mask = torch.arange(width) < torch.tensor(lengths)[:, None]
    got = gae(rewards, values, mask, lam=lam)  # padding holds numbers too: they must not count
    for i, length in enumerate(lengths):
        expected = slow_gae(rewards[i, :length].tolist(), values[i, :length].tolist(), lam)
        assert got[i, :length].tolist() == pytest.approx(expected, abs=1e-4)
        assert got[i, length:].tolist() == [0] * (width - length)


def test_gae_at_its_ends():
    rewards = torch.tensor([[1.0, 2.0, 4.0]])
    values, mask = torch.tensor([[0.5, 1.0, 3.0]]), torch.ones(1, 3, dtype=torch.bool)
    assert gae(rewards, values, mask, lam=1.0).tolist() == [[6.5, 5.0, 1.0]]  # reward to go less value
    assert gae(rewards, values, mask, lam=0.0).tolist() == [[1.5, 4.0, 1.0]]  # one-step errors


def test_masked_mean_leaves_padding_out():
    values = torch.tensor([[1.0, 2.0, 50.0], [6.0, 70.0, 80.0]])
    mask = torch.tensor([[True, True, False], [True, False, False]])
    assert masked_mean(values, mask).item() == pytest.approx(3.0)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 5), st.integers(1, 4), st.data())
def test_leave_one_out_against_its_definition(of_each, prompts, data):
    size = of_each * prompts
    totals = data.draw(st.lists(numbers, min_size=size, max_size=size))
    got = leave_one_out(torch.tensor(totals), of_each)
    for k, total in enumerate(totals):
        group = totals[k // of_each * of_each :][:of_each]
        others = (sum(group) - total) / (of_each - 1)
        assert got[k].item() == pytest.approx(total - others, abs=1e-4)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 5), st.integers(1, 4), st.data())
def test_group_scaled_against_its_definition(of_each, prompts, data):
    size = of_each * prompts
    totals = data.draw(st.lists(numbers, min_size=size, max_size=size))
    got = group_scaled(torch.tensor(totals), of_each)
    for k, total in enumerate(totals):
        group = totals[k // of_each * of_each :][:of_each]
        mean = sum(group) / of_each
        spread = (sum((one - mean) ** 2 for one in group) / (of_each - 1)) ** 0.5
        assert got[k].item() == pytest.approx((total - mean) / (spread + 1e-4), rel=1e-3, abs=1e-2)


def test_a_group_that_is_all_alike_teaches_nothing():
    assert group_scaled(torch.tensor([2.0, 2.0, 0.0, 1.0]), 2)[:2].tolist() == [0.0, 0.0]
