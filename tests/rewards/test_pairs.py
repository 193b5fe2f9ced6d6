"""Pairs, their labels, and draws of them."""

import pytest
import torch

from overopt.models.samples import Prompts, Samples
from overopt.rewards.pairs import LabelledPairs, draw, of_different_texts, pair_up, split, turned


def samples(count):
    """Sample i is the one token i; neighbours share a prompt."""
    heads = torch.tensor([[1, i // 2] for i in range(count)])
    ids = torch.arange(count)[:, None]
    return Samples(Prompts(heads, torch.ones_like(heads).bool()), ids, torch.ones_like(ids).bool())


def tokens(side):
    return side.ids[:, 0].tolist()


@pytest.fixture
def hundred():
    return pair_up(samples(200), torch.randn(200, generator=torch.Generator().manual_seed(0)))


def test_neighbours_are_a_pair_and_the_higher_gold_wins():
    pairs = pair_up(samples(6), torch.tensor([0.5, 0.2, -1.0, 3.0, 2.0, 2.0]))
    assert len(pairs) == 3
    assert tokens(pairs.first) == [0, 2, 4]
    assert tokens(pairs.second) == [1, 3, 5]
    assert pairs.margin.tolist() == pytest.approx([0.3, -4.0, 0.0])
    assert pairs.first_wins.tolist() == [True, False, False]
    assert torch.equal(pairs.first.prompts.ids, pairs.second.prompts.ids)


def test_an_odd_number_or_different_prompts_make_no_pairs():
    with pytest.raises(ValueError, match="found 5 samples, expected an even number"):
        pair_up(samples(5), torch.zeros(5))
    with pytest.raises(ValueError, match="different prompts"):
        pair_up(samples(6)[[0, 2, 4, 5]], torch.zeros(4))


def test_split_keeps_the_held_out_share_at_the_end(hundred):
    training, validation = split(hundred, 0.1)
    assert (len(training), len(validation)) == (90, 10)
    assert tokens(training.first) + tokens(validation.first) == tokens(hundred.first)
    assert torch.equal(torch.cat([training.margin, validation.margin]), hundred.margin)


def test_a_smaller_draw_is_part_of_a_larger_and_seeds_differ(hundred):
    large, small, other = draw(hundred, 60, seed=3), draw(hundred, 20, seed=3), draw(hundred, 60, seed=4)
    assert len(set(tokens(large.first))) == 60
    assert tokens(small.first) == tokens(large.first)[:20]
    assert tokens(other.first) != tokens(large.first)
    # each pair keeps its partner and its margin
    assert [token + 1 for token in tokens(large.first)] == tokens(large.second)
    assert large.margin.tolist() == [hundred.margin[token // 2].item() for token in tokens(large.first)]


def test_no_more_pairs_are_drawn_than_there_are(hundred):
    assert sorted(tokens(draw(hundred, 100, seed=0).first)) == tokens(hundred.first)
    with pytest.raises(ValueError, match="pairs: found 100, expected at least 101"):
        draw(hundred, 101, seed=0)


def test_a_share_of_the_labels_is_turned_and_texts_stay(hundred):
    noisy = turned(hundred, 0.25, seed=3)
    flipped = noisy.first_wins != hundred.first_wins
    assert flipped.sum() == 25
    assert torch.equal(noisy.margin[flipped], -hundred.margin[flipped])
    assert torch.equal(noisy.margin[~flipped], hundred.margin[~flipped])
    assert tokens(noisy.first) == tokens(hundred.first)
    assert torch.equal(turned(hundred, 0.25, seed=3).margin, noisy.margin)
    assert not torch.equal(turned(hundred, 0.25, seed=4).margin, noisy.margin)
    assert torch.equal(turned(hundred, 0.0, seed=3).margin, hundred.margin)


def test_texts_that_differ_in_length_or_in_a_token_are_different():
    ids = torch.tensor([[3, 4, 0], [3, 4, 9], [3, 4, 5], [3, 0, 0], [3, 0, 0]])
    mask = torch.tensor([[1, 1, 0], [1, 1, 0], [1, 1, 1], [1, 1, 0], [1, 0, 0]]).bool()
    heads = torch.ones(5, 1, dtype=torch.long)
    texts = Samples(Prompts(heads, heads.bool()), ids, mask)
    # what stands behind the end of a text is not of it; a text may end with the token that pads
    first, second = texts[[0, 0, 0, 3, 3]], texts[[0, 1, 2, 4, 0]]
    found = of_different_texts(LabelledPairs(first, second, torch.arange(5.0)))
    assert found.margin.tolist() == [2.0, 3.0, 4.0]
    assert found.second.ids.tolist() == second.ids[2:].tolist()
