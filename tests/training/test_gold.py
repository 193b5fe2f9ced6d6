"""The gold reward model: what its labels mean, and that it learns from both kinds of text."""

import math

import pytest
import torch

from overopt.models import new_reward_model
from overopt.training.gold import Rated, preference, score_all, score_lists, train_gold
from overopt.training.optim import Diverged

BAD, GOOD = 4, 5


def words(count, seed):
    """BOS and 4 to 8 tokens that mean nothing, in rising order: 6 to 9."""
    draw = torch.Generator().manual_seed(seed)
    lengths = torch.randint(4, 9, (count,), generator=draw).tolist()
    return [[1, *sorted(torch.randint(6, 10, (n,), generator=draw).tolist())] for n in lengths]


def rated(count, seed):
    """Texts whose rating is 3 with the token GOOD in second place, -3 with BAD, 0 with neither."""
    kinds = [k % 3 for k in range(count)]
    marks = {0: [GOOD], 1: [BAD], 2: [6]}
    rows = [[1, *marks[kind], *row[1:]] for kind, row in zip(kinds, words(count, seed), strict=True)]
    return Rated(rows, torch.tensor([{0: 3.0, 1: -3.0, 2: 0.0}[k] for k in kinds]), torch.full((count,), 0.8))


@pytest.fixture
def fresh(small_vocabulary):
    return lambda: new_reward_model(small_vocabulary(0, vocabulary=10, factor=1.0, width=32), seed=0)


def train(model, data, spoilt, **changes):
    options = {
        "steps": 120,
        "batch": 16,
        "learning_rate": 1e-2,
        "embedding_gain": 1.0,
        "spoilt_weight": 0.5,
        "margin": 1.0,
        "generator": torch.Generator().manual_seed(0),
    }
    train_gold(model, data, spoilt, **(options | changes))


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


def test_orders_rated_texts_and_puts_real_above_spoilt(fresh):
    model, steps = fresh(), []
    real = words(300, seed=1)
    backwards = [[1, *reversed(row[1:])] for row in real]
    chosen = [i for i, row in enumerate(real) if row != backwards[i]]
    real, backwards = [real[i] for i in chosen], [backwards[i] for i in chosen]
    spoilt = {"one": (real[50:150], backwards[50:150]), "two": (real[150:], backwards[150:])}
    train(model, rated(600, seed=2), spoilt, progress=lambda done, total: steps.append((done, total)))
    assert steps == [(k + 1, 120) for k in range(120)]
    assert not model.training

    test = rated(300, seed=3)
    scores = score_all(model, test.rows)
    assert torch.corrcoef(torch.stack([scores, test.mean]))[0, 1] > 0.9
    wins = score_all(model, real[:50]) > score_all(model, backwards[:50])
    assert wins.float().mean() > 0.9


def test_spoilt_texts_count_only_where_they_are_given(fresh):
    def learned(spoilt, weight):
        model = fresh()
        train(model, rated(60, seed=2), spoilt, steps=2, spoilt_weight=weight)
        return model.state_dict()["score.weight"]

    real = words(40, seed=1)
    spoilt = {"one": (real, [[1, *reversed(row[1:])] for row in real])}
    assert not torch.equal(learned(spoilt, 1.0), learned(spoilt, 4.0))
    assert torch.equal(learned({}, 1.0), learned({}, 4.0))


def test_scores_do_not_depend_on_the_batch(fresh, sharpen):
    model, rows = sharpen(fresh(), 4.0), words(40, seed=5)
    with torch.no_grad():
        alone = torch.cat([score_lists(model, [row]) for row in rows])
    assert alone.std() > 0.1
    for batch in (256, 7):
        torch.testing.assert_close(score_all(model, rows, batch), alone, atol=1e-5, rtol=0)


def test_a_loss_that_is_not_finite_stops_the_training(fresh):
    model = fresh()
    with torch.no_grad():
        model.score.weight[0, 0] = math.nan
    with pytest.raises(Diverged, match="gold: loss: found nan at step 0"):
        train(model, rated(60, seed=2), {})
