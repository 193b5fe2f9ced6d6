"""The model of human ratings: what its labels mean, and that it learns from them."""

import math

import pytest
import torch

from overopt.models.build import new_reward_model
from overopt.rewards.scoring import score_all
from overopt.training.optim import Diverged
from overopt.training.rating_model import Rated, preference, train_rating_model

BAD, GOOD = 4, 5


def rated(count, seed):
    """Texts whose rating is 3 with the token GOOD in second place, -3 with BAD, 0 with neither."""
    draw = torch.Generator().manual_seed(seed)
    marks = [[GOOD], [BAD], []]
    rows = [
        [1, *marks[k % 3], *torch.randint(6, 10, (4 + k % 5,), generator=draw).tolist()] for k in range(count)
    ]
    return Rated(
        rows, torch.tensor([[3.0, -3.0, 0.0][k % 3] for k in range(count)]), torch.full((count,), 0.8)
    )


@pytest.fixture
def fresh(small_vocabulary):
    return lambda: new_reward_model(small_vocabulary(0, vocabulary=10, factor=1.0, width=32), seed=0)


def train(model, data, **changes):
    options = {
        "steps": 120,
        "batch": 16,
        "learning_rate": 1e-2,
        "embedding_gain": 1.0,
        "generator": torch.Generator().manual_seed(0),
    }
    train_rating_model(model, data, **(options | changes))


def test_preference_is_how_often_one_rater_beats_another():
    mean, sd = torch.tensor([1.5, 0.0, -2.0, 1.4]), torch.tensor([1.0, 0.5, 0.0, 2.0])
    got = preference(mean, sd)
    draw = torch.Generator().manual_seed(0)
    normal, rounding = (
        torch.randn(2, 100_000, 4, generator=draw),
        torch.rand(2, 100_000, 4, generator=draw) - 0.5,
    )
    ratings = mean + sd * normal + rounding
    share = (ratings[0][:, :, None] > ratings[1][:, None, :]).float().mean(0)
    assert (got - share).abs().max() < 0.01
    assert torch.diagonal(got).tolist() == pytest.approx([0.5] * 4)
    torch.testing.assert_close(got + got.T, torch.ones(4, 4))


def test_orders_texts_as_raters_do(fresh):
    model, steps = fresh(), []
    train(model, rated(600, seed=2), progress=lambda done, total: steps.append((done, total)))
    assert steps == [(k + 1, 120) for k in range(120)]
    assert not model.training
    test = rated(300, seed=3)
    assert torch.corrcoef(torch.stack([score_all(model, test.rows), test.mean]))[0, 1] > 0.9


def test_a_loss_that_is_not_finite_stops_the_training(fresh):
    model = fresh()
    with torch.no_grad():
        model.score.weight[0, 0] = math.nan
    with pytest.raises(Diverged, match="rating model: loss: found nan at step 0"):
        train(model, rated(60, seed=2))
