"""Pairwise training on a rule that a reward model can learn."""

import math

import pytest
import torch

from overopt.models.build import new_reward_model
from overopt.models.samples import Prompts, Samples
from overopt.training.optim import Diverged
from overopt.training.reward_model import pair_margin, pair_margins, train_reward_model

GOOD, WIDTH = 6, 5


def texts(count, seed):
    """Random completions of random length over tokens 3 to 9; prompts of two lengths, padded on the left."""
    draw = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, 10, (count, WIDTH), generator=draw)
    lengths = torch.randint(1, WIDTH + 1, (count,), generator=draw)
    mask = torch.arange(WIDTH) < lengths[:, None]
    heads = torch.tensor([[0, 1, 3], [1, 4, 3]]).repeat(count // 2, 1)
    return Samples(Prompts(heads, heads > 0), ids.where(mask, 0), mask)


def pairs(count, seed):
    """Pairs of which exactly one text has the token GOOD in it."""
    first, second = texts(6 * count, seed), texts(6 * count, seed + 1000)
    has = [((side.ids == GOOD) & side.mask).any(-1) for side in (first, second)]
    usable = (has[0] != has[1]).nonzero()[:count, 0]
    assert len(usable) == count
    return first[usable], second[usable], has[0][usable]


def train(model, first, second, first_wins, seed=0, **changes):
    options = {
        "batch": 32,
        "epochs": 1,
        "learning_rate": 1e-2,
        "embedding_gain": 1.0,
        "generator": torch.Generator().manual_seed(seed),
    }
    train_reward_model(model, first, second, first_wins, **(options | changes))


@pytest.fixture
def fresh(small_vocabulary):
    return lambda: new_reward_model(small_vocabulary(0, vocabulary=10, factor=1.0, width=32), seed=0)


def test_learns_which_text_has_the_token(fresh):
    model, steps = fresh(), []
    first, second, wins = pairs(400, seed=1)
    assert 0.4 < wins.float().mean() < 0.6
    before = ((pair_margins(model, first, second) > 0) == wins).float().mean()
    assert before < 0.8
    train(model, *pairs(2400, seed=2), progress=lambda done, total: steps.append((done, total)))
    after = ((pair_margins(model, first, second) > 0) == wins).float().mean()
    assert after > 0.95
    assert steps == [(k + 1, 75) for k in range(75)]  # one pass
    assert not model.training


def test_margins_are_differences_of_scores_whatever_the_batch(fresh, sharpen):
    model = sharpen(fresh(), 4.0)
    first, second, _ = pairs(50, seed=3)
    whole = pair_margins(model, first, second)
    torch.testing.assert_close(whole, pair_margins(model, first, second, batch=7), atol=1e-5, rtol=0)
    torch.testing.assert_close(whole, -pair_margins(model, second, first), atol=1e-6, rtol=0)
    with torch.no_grad():
        torch.testing.assert_close(whole, pair_margin(model, first, second), atol=1e-5, rtol=0)
    assert whole.std() > 0.1


def test_same_seed_same_weights_bit_for_bit(fresh):
    data, finals = pairs(200, seed=4), []
    for seed in (0, 0, 1):
        model = fresh()
        train(model, *data, seed=seed)
        finals.append(model.state_dict())
    assert all(torch.equal(finals[0][name], finals[1][name]) for name in finals[0])
    assert not all(torch.equal(finals[0][name], finals[2][name]) for name in finals[0])


def test_a_loss_that_is_not_finite_stops_the_training(fresh):
    model = fresh()
    with torch.no_grad():
        model.score.weight[0, 0] = math.nan
    with pytest.raises(Diverged, match="reward model: loss: found nan at step 0"):
        train(model, *pairs(64, seed=5))
