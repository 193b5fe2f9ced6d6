"""TRL's trainers on a rule that can be learnt, beside our own."""

from pathlib import Path

import pytest
import torch
from test_reward_model import pairs, train  # the same rule

from overopt.models.build import count_parameters, load_language_model, load_tokenizer, new_reward_model
from overopt.study.pretrained_parts import LoRA
from overopt.training.reward_model import pair_margins
from overopt.training.trl import train_reward_model_with_trl, tune_with_trl

OPTIONS = {"batch": 32, "epochs": 1, "learning_rate": 1e-2, "seed": 0}


@pytest.fixture
def fresh(small_vocabulary):
    return lambda: new_reward_model(small_vocabulary(0, vocabulary=10, factor=1.0, width=32), seed=0)


def accuracy(model, held_out):
    first, second, wins = held_out
    return ((pair_margins(model, first, second) > 0) == wins).float().mean().item()


@pytest.mark.parametrize("lora", [None, LoRA(rank=8, alpha=32)])
def test_learns_what_our_own_trainer_learns(fresh, tokenizer, lora):
    steps, held_out, training = [], pairs(400, seed=1), pairs(2400, seed=2)
    own = fresh()
    train(own, *training)
    state = torch.random.get_rng_state()
    made = train_reward_model_with_trl(
        fresh(), tokenizer, *training, lora=lora, progress=lambda *done: steps.append(done), **OPTIONS
    )
    assert torch.equal(torch.random.get_rng_state(), state)
    assert steps == [(k + 1, 75) for k in range(75)]
    assert count_parameters(made) == count_parameters(own)
    assert set(made.state_dict()) == set(own.state_dict())  # adapters are merged
    assert accuracy(fresh(), held_out) < 0.8
    assert accuracy(made, held_out) > accuracy(own, held_out) - (0.05 if lora is None else 0.15)


def test_the_end_of_a_text_is_read_although_it_also_pads(fresh, tokenizer):
    """Two texts that differ in their last token alone, which is the one that the model's configuration pads with."""
    first, second, wins = pairs(64, seed=3)
    for part, last in ((first, 2), (second, 5)):
        part.ids[:, 0], part.mask[:, 0] = last, True
        part.mask[:, 1:] = False
    model = fresh()
    model.config.pad_token_id = 2
    made = train_reward_model_with_trl(
        model, tokenizer, first, second, torch.ones_like(wins), **(OPTIONS | {"epochs": 10})
    )
    assert (pair_margins(made, first, second) > 1).all()
    assert made.config.pad_token_id == 2


@pytest.mark.parametrize(("lora", "least"), [(None, 1.0), (LoRA(rank=4, alpha=16), 0.3)])
def test_tuning_makes_texts_likelier(saved, lora, least):
    folder = Path(saved("llama", num_hidden_layers=2))
    tokenizer = load_tokenizer(folder)
    rows = [
        [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]
        for text in ["The film was good.", "It was not."] * 8
    ]

    def loss(model):
        ids = torch.tensor(rows[:1])
        return model(input_ids=ids, labels=ids).loss.item()

    before = loss(load_language_model(folder))
    made = tune_with_trl(
        load_language_model(folder), tokenizer, rows, steps=30, batch=4, learning_rate=1e-2, seed=0, lora=lora
    )
    assert loss(made) < before - least
    assert set(made.state_dict()) == set(load_language_model(folder).state_dict())
