"""Tokenizer and models: sizes, round trips, and weights that hang on their seed alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from overopt.models.build import (
    Shape,
    continuation_ids,
    count_parameters,
    load_language_model,
    load_reward_model,
    load_tokenizer,
    new_language_model,
    new_reward_model,
    token_ids,
    train_tokenizer,
)

SHAPES = [(1, 8, 1), (1, 24, 2), (2, 16, 4), (3, 32, 2)]
# a special token spelt out in a text is that token, by transformers' design
texts = st.text(max_size=40).filter(
    lambda text: not any(name in text for name in ("<pad>", "<bos>", "<eos>"))
)
words = st.lists(
    st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=8), min_size=1, max_size=6
)


def shape(layers, width, heads):
    return Shape(layers=layers, width=width, heads=heads)


@pytest.mark.parametrize("numbers", SHAPES)
def test_the_size_of_a_shape_is_what_is_counted(tokenizer, numbers):
    model = new_language_model(shape(*numbers), tokenizer, 20, seed=0)
    assert count_parameters(model) == shape(*numbers).parameters
    # the paper's measure leaves embeddings out: neither vocabulary nor positions change it
    width = numbers[1]
    assert (
        sum(p.numel() for p in model.parameters())
        == shape(*numbers).parameters + (len(tokenizer) + 20) * width
    )
    reward_model = new_reward_model(model, seed=0)
    assert count_parameters(reward_model) == shape(*numbers).parameters + width


@settings(deadline=None, max_examples=50)
@given(st.lists(texts, min_size=1, max_size=4))
def test_tokens_are_those_that_the_tokenizer_gives_when_called(tokenizer, some):
    tokenizer(["short", "a good deal longer"], padding=True, truncation=True, max_length=3)
    found = token_ids(tokenizer, some)
    assert found == tokenizer(some, add_special_tokens=False)["input_ids"]


@settings(deadline=None, max_examples=50)
@given(st.lists(texts, min_size=1, max_size=4))
def test_a_continuation_keeps_its_beginning(tokenizer, some):
    """A text in the middle of another is that text again, with a space before it or without."""
    found = continuation_ids(tokenizer, some)
    assert tokenizer.batch_decode(found) == some
    assert continuation_ids(tokenizer, [" was good."]) == token_ids(tokenizer, ["was good."])
    assert token_ids(tokenizer, ["ing"]) != continuation_ids(
        tokenizer, ["ing"]
    )  # nor is the tokenizer changed


def test_same_seed_same_weights_and_global_random_state_untouched(tokenizer):
    before = torch.random.get_rng_state()
    models = [new_language_model(shape(1, 16, 2), tokenizer, 20, seed=seed) for seed in (0, 0, 1)]
    heads = [new_reward_model(models[0], seed=seed) for seed in (0, 0, 1)]
    assert torch.equal(torch.random.get_rng_state(), before)
    weights = [torch.cat([p.flatten() for p in model.parameters()]) for model in models]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(heads[0].score.weight, heads[1].score.weight)
    assert not torch.equal(heads[0].score.weight, heads[2].score.weight)


def test_a_reward_model_starts_from_the_language_model_without_touching_it(tokenizer):
    base = new_language_model(shape(1, 16, 2), tokenizer, 20, seed=0)
    model = new_reward_model(base, seed=0)
    body, kept = model.transformer.state_dict(), base.transformer.state_dict()
    assert all(torch.equal(body[name], kept[name]) for name in kept)
    with torch.no_grad():
        model.transformer.wte.weight.add_(1)
    assert not torch.equal(model.transformer.wte.weight, base.transformer.wte.weight)
    assert model.score.weight.abs().max() < 0.3


def test_models_and_tokenizer_are_the_same_after_saving_and_loading(tmp_path, tokenizer, language_model):
    reward_model = new_reward_model(language_model, seed=0).eval()
    language_model.save_pretrained(tmp_path / "language")
    reward_model.save_pretrained(tmp_path / "reward")
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    ids = torch.randint(3, 290, (2, 7), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for model, loaded in (
            (language_model, load_language_model(tmp_path / "language")),
            (reward_model, load_reward_model(tmp_path / "reward")),
        ):
            assert not loaded.training
            kept = loaded.state_dict()
            assert all(torch.equal(weight, kept[name]) for name, weight in model.state_dict().items())
            # not to the last bit: how weights lie in memory decides the order of a sum
            torch.testing.assert_close(loaded(ids).logits, model(ids).logits, atol=1e-5, rtol=1e-5)
            assert loaded.config.eos_token_id == tokenizer.eos_token_id
    again = load_tokenizer(tmp_path / "tokenizer")
    text = "It was good; was it not?"
    assert again(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert again.special_tokens_map == tokenizer.special_tokens_map
    assert (again.pad_token_id, again.bos_token_id, again.eos_token_id) == (0, 1, 2)


@settings(max_examples=200, deadline=None)
@given(texts)
def test_any_text_comes_back_from_its_tokens(tokenizer, text):
    back = tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"])
    # a space is put before a text that does not start with one
    assert back in ({text} if text[:1] in ("", " ") else {" " + text})


@settings(max_examples=100, deadline=None)
@given(words, words)
def test_a_completion_encodes_the_same_alone_as_after_its_prompt(tokenizer, prompt, completion):
    def encode(parts):
        return tokenizer(" ".join(parts), add_special_tokens=False)["input_ids"]

    assert encode(prompt + completion) == encode(prompt) + encode(completion)


def test_the_tokenizer_learns_merges_up_to_its_vocabulary():
    texts = ["the film was good", "the film was bad", "the end of the film"] * 3
    made, again = train_tokenizer(texts, 275), train_tokenizer(texts, 275)
    assert len(made) == 275
    assert made.get_vocab() == again.get_vocab()
    assert len(made("the film", add_special_tokens=False)["input_ids"]) < len("the film")
    assert max(made("¿ünknown 漢字?", add_special_tokens=False)["input_ids"]) < 275
