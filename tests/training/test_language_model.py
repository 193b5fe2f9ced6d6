"""Next-token training on a toy language."""

import math
from collections import Counter

import pytest
import torch

from overopt.training.language_model import next_token_loss, train_language_model, validation_loss
from overopt.training.optim import Diverged

BOS, EOS = 1, 2


def sentences(count, seed=0):
    """3 4 5 6 in a ring from a random start, of random length: after the first token only the end is open."""
    draw = torch.Generator().manual_seed(seed)
    starts = torch.randint(4, (count,), generator=draw).tolist()
    lengths = torch.randint(2, 9, (count,), generator=draw).tolist()
    rings = [
        [3 + (start + k) % 4 for k in range(length)] for start, length in zip(starts, lengths, strict=True)
    ]
    return [[BOS, *ring, EOS] for ring in rings]


def train(model, rows, **changes):
    options = {
        "tokens": 12_000,
        "batch": 16,
        "learning_rate": 2e-2,
        "embedding_gain": 1.0,
        "generator": torch.Generator().manual_seed(0),
    }
    train_language_model(model, rows, **(options | changes))


def test_loss_falls_below_the_unigram_entropy(small_vocabulary):
    model, rows, fresh = small_vocabulary(0, vocabulary=7), sentences(400), sentences(100, seed=1)
    counts = Counter(token for row in rows for token in row[1:])
    total = sum(counts.values())
    unigram = -sum(n / total * math.log(n / total) for n in counts.values())
    before, steps = validation_loss(model, fresh), []
    train(model, rows, progress=lambda done, total: steps.append((done, total)))
    assert before > unigram
    assert validation_loss(model, fresh) < 0.6 * unigram
    assert not model.training
    assert steps[-1][0] == steps[-1][1] == len(steps)
    # `tokens` says how long: the rows have about 7 tokens each
    assert len(steps) * 16 * sum(map(len, rows)) / len(rows) == pytest.approx(12_000, rel=0.02)


def test_validation_loss_is_the_mean_over_all_tokens(small_vocabulary):
    model, rows = small_vocabulary(1, vocabulary=7), sentences(40)
    surprise = []
    with torch.no_grad():
        for row in rows:  # one by one: no padding anywhere
            log_probs = model(torch.tensor([row])).logits[0].log_softmax(-1)
            surprise += [-log_probs[t, row[t + 1]].item() for t in range(len(row) - 1)]
    expected = sum(surprise) / len(surprise)
    assert expected > 1
    for batch in (256, 7, 1):
        assert validation_loss(model, rows, batch) == pytest.approx(expected, abs=1e-5)


def test_padding_has_no_influence_on_the_loss(small_vocabulary):
    model = small_vocabulary(1, vocabulary=7)
    ids = torch.tensor([[1, 3, 4, 5, 2, 0], [1, 6, 3, 2, 0, 0]])
    wider = torch.cat([ids, torch.zeros(2, 4, dtype=torch.long)], 1)
    with torch.no_grad():
        assert next_token_loss(model, wider).item() == pytest.approx(
            next_token_loss(model, ids).item(), abs=1e-6
        )
    for loss in (next_token_loss(model, ids), next_token_loss(model, wider)):
        loss.backward()
    gradients = [weight.grad for weight in model.parameters()]
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


def test_same_seed_same_weights_bit_for_bit(small_vocabulary):
    models = [small_vocabulary(0, vocabulary=7) for _ in range(3)]
    for model, seed in zip(models, (0, 0, 1), strict=True):
        train(model, sentences(100), tokens=1500, generator=torch.Generator().manual_seed(seed))
    one, same, other = (model.state_dict() for model in models)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_a_loss_that_is_not_finite_stops_the_training(small_vocabulary):
    model = small_vocabulary(0, vocabulary=7)
    with torch.no_grad():
        model.transformer.wte.weight[4] = math.nan
    with pytest.raises(Diverged, match="language model: loss: found nan at step 0"):
        train(model, sentences(100))
