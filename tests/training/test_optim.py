"""Batches, schedule, and the stop on NaN."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from overopt.engine.checkpoint import Checkpoint
from overopt.training import optim
from overopt.training.optim import (
    Diverged,
    adamw,
    batches,
    check_finite,
    descend,
    minimise,
    set_learning_rate,
    warmup_cosine,
)


def drawn(lengths, size, steps, seed=0, **options):
    return list(batches(lengths, size, steps, torch.Generator().manual_seed(seed), **options))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=60),
    st.integers(1, 9),
    st.integers(0, 20),
    st.integers(1, 4),
)
def test_exact_counts_and_every_row_at_most_once_an_epoch(lengths, size, steps, window):
    if len(lengths) < size:
        with pytest.raises(ValueError, match=f"{len(lengths)} rows, fewer than one batch of {size}"):
            drawn(lengths, size, max(steps, 1), window=window)
        return
    got = drawn(lengths, size, steps, window=window)
    assert [len(batch) for batch in got] == [size] * steps
    an_epoch = len(lengths) // size
    for start in range(0, steps, an_epoch):
        rows = [row for batch in got[start : start + an_epoch] for row in batch]
        assert len(set(rows)) == len(rows)
        assert set(rows) <= set(range(len(lengths)))


def test_rows_of_a_batch_are_about_equally_long_and_in_random_order():
    lengths = torch.randint(1, 100, (640,), generator=torch.Generator().manual_seed(0)).tolist()
    got = drawn(lengths, 10, 64)
    spreads = [max(lengths[i] for i in batch) - min(lengths[i] for i in batch) for batch in got]
    assert sum(spreads) / len(spreads) < 15  # shuffled rows would spread over about 80
    firsts = [lengths[batch[0]] for batch in got]
    assert firsts not in (sorted(firsts), sorted(firsts, reverse=True))
    assert got == drawn(lengths, 10, 64)
    assert got != drawn(lengths, 10, 64, seed=1)


def test_learning_rate_rises_to_its_peak_and_falls_to_its_floor():
    factors = [warmup_cosine(step, 200) for step in range(200)]
    peak = factors.index(max(factors))
    assert max(factors) == 1
    assert 0 < factors[0] <= 0.1
    assert factors[: peak + 1] == sorted(factors[: peak + 1])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)
    assert peak == pytest.approx(10, abs=1)
    assert factors[-1] == pytest.approx(0.1, abs=0.01)
    assert warmup_cosine(0, 1) == 1


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_stops_naming_what_and_when(value):
    with pytest.raises(Diverged, match=r"loss of x: found -?(nan|inf) at step 7; expected a finite number"):
        check_finite(value, "loss of x", 7)
    assert check_finite(1.5, "loss of x", 7) == 1.5


def test_a_gradient_that_is_not_finite_leaves_the_weights_alone(language_model):
    optimiser = adamw(language_model, 1e-3)
    before = [weight.clone() for weight in language_model.parameters()]
    weight = language_model.transformer.ln_f.weight
    loss = (weight - weight.detach()).sqrt().sum()  # 0, whose slope is infinite
    with pytest.raises(Diverged, match=r"toy: gradient: found (nan|inf) at step 4; expected a finite number"):
        descend(loss, language_model, optimiser, what="toy", step=4)
    assert all(torch.equal(*pair) for pair in zip(before, language_model.parameters(), strict=True))


def test_embeddings_learn_at_their_gain_times_the_rate(language_model):
    optimiser = adamw(language_model, 1.0, embedding_gain=7.0)
    set_learning_rate(optimiser, 0.5)
    rates = {id(w): group["lr"] for group in optimiser.param_groups for w in group["params"]}
    embedding = language_model.base_model.get_input_embeddings().weight
    assert rates.pop(id(embedding)) == 3.5
    assert set(rates.values()) == {0.5}
    assert len(rates) == len(list(language_model.parameters())) - 1


def trained(model, checkpoint, stop=None, steps=8):
    """Fit `model`'s tokens to shuffled targets; what the loss saw."""
    seen = []
    rows = torch.randint(3, 20, (40, 6), generator=torch.Generator().manual_seed(1))

    def loss(chosen):
        if len(seen) == stop:
            raise KeyboardInterrupt
        seen.append(chosen)
        return model(input_ids=rows[chosen], labels=rows[chosen]).loss

    minimise(
        model,
        batches([6] * 40, 8, steps, torch.Generator().manual_seed(0)),
        loss,
        what="toy",
        steps=steps,
        learning_rate=1e-2,
        embedding_gain=2.0,
        checkpoint=checkpoint,
    )
    return seen


def test_a_stopped_training_goes_on_to_the_same_bits(language_model, tmp_path, monkeypatch):
    monkeypatch.setattr(optim, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(optim, "CHECKPOINT_SHARE", float("inf"))
    start = {name: weight.clone() for name, weight in language_model.state_dict().items()}
    whole = trained(language_model, None)
    expected = {name: weight.clone() for name, weight in language_model.state_dict().items()}

    kept = Checkpoint(tmp_path / "kept")
    language_model.load_state_dict(start)
    with pytest.raises(KeyboardInterrupt):
        trained(language_model, kept, stop=5)
    language_model.load_state_dict(start)
    assert trained(language_model, kept) == whole[5:]  # steps before are not computed again
    assert not language_model.training
    for name, weight in language_model.state_dict().items():
        assert torch.equal(weight, expected[name]), name
    assert trained(language_model, kept) == []  # done: nothing is left to do
