"""The classifier of real and spoilt text."""

import math

import pytest
import torch

from overopt.models.build import new_reward_model
from overopt.rewards.scoring import score_all
from overopt.training import real_text
from overopt.training.optim import Diverged
from overopt.training.real_text import train_real_text


def rising(count, seed):
    """BOS and 4 to 8 different tokens in rising order: the real texts here."""
    draw = torch.Generator().manual_seed(seed)
    return [
        [1, *sorted(torch.randperm(9, generator=draw)[: 4 + k % 4].add(3).tolist())] for k in range(count)
    ]


def backwards(rows):
    return [[1, *reversed(row[1:])] for row in rows]


def looped(rows):
    return [[1, *row[1:2] * (len(row) - 1)] for row in rows]


@pytest.fixture
def fresh(small_vocabulary):
    return lambda: new_reward_model(small_vocabulary(0, vocabulary=12, factor=1.0, width=32), seed=0)


def train(model, spoilt, **changes):
    options = {
        "steps": 150,
        "batch": 16,
        "learning_rate": 1e-2,
        "embedding_gain": 1.0,
        "generator": torch.Generator().manual_seed(0),
    }
    train_real_text(model, spoilt, **(options | changes))


def test_learns_every_kind_of_spoiling(fresh):
    model, steps = fresh(), []
    real = rising(300, seed=1)
    spoilt = {"backwards": (real, backwards(real)), "looped": (real, looped(real))}
    train(model, spoilt, progress=lambda done, total: steps.append((done, total)))
    assert steps == [(k + 1, 150) for k in range(150)]
    assert not model.training
    new = rising(100, seed=2)
    log_odds = score_all(model, new)
    for bad in (backwards(new), looped(new)):
        assert (log_odds > 0).float().mean() > 0.9
        assert (score_all(model, bad) < 0).float().mean() > 0.9


def test_a_step_takes_real_and_spoilt_texts_of_every_kind_equally(fresh, monkeypatch):
    real, one, two = ([[1, token]] * 20 for token in (3, 10, 11))
    seen = []
    score_lists = real_text.score_lists
    monkeypatch.setattr(real_text, "score_lists", lambda m, rows: seen.append(rows) or score_lists(m, rows))
    train(fresh(), {"one": (real, one), "two": (real, two)}, steps=3, batch=10)
    assert [sorted(row[1] for row in rows) for rows in seen] == [[3] * 10 + [10] * 5 + [11] * 5] * 3


def test_a_loss_that_is_not_finite_stops_the_training(fresh):
    model, real = fresh(), rising(20, seed=1)
    with torch.no_grad():
        model.score.weight[0, 0] = math.nan
    with pytest.raises(Diverged, match="classifier of real text: loss: found nan at step 0"):
        train(model, {"one": (real, backwards(real))})
