"""Reward models of other people: their score is that of transformers, of the tokens that they were trained to read."""

import numpy as np
import pytest
import torch
from conftest import TEXTS
from tiny_models import CONFIGS, REWARD_CONFIGS
from tokenizer_families import bert, byte_level, fast, metaspace
from transformers import AutoModelForSequenceClassification

from overopt.models.text_reward import RewardModel
from overopt.models.written import Written
from overopt.util.errors import UserError


@pytest.fixture
def reward_model(saved):
    """A tiny reward model of an architecture with another tokenizer, in its folder."""

    def make(name, tokenizer, **options):
        folder = saved(
            name,
            AutoModelForSequenceClassification,
            configs=REWARD_CONFIGS,
            **{"num_labels": 1, "vocab_size": 320} | options,
        )
        tokenizer.save_pretrained(folder)
        return folder

    return make


def logits_of(folder, **inputs):
    """By transformers alone."""
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    with torch.no_grad():
        return model(**{kind: torch.tensor([row]) for kind, row in inputs.items()}).logits[0].tolist()


@pytest.mark.parametrize("name", REWARD_CONFIGS)
def test_a_reward_model_scores_whole_texts_one_by_one_or_together(name, saved, tokenizer):
    folder = saved(name, AutoModelForSequenceClassification, configs=REWARD_CONFIGS, num_labels=1)
    model = RewardModel(folder, batch=3, ends="nothing")
    texts = [*TEXTS[:5], TEXTS[0] + tokenizer.eos_token]  # one ends in the token that often pads
    texts = [text[:60] for text in texts]
    together = model.score(["The film "] * len(texts), texts)
    alone = [model.score(["The film "], [text])[0] for text in texts]
    assert together == pytest.approx(alone, abs=1e-5)
    assert np.std(together) > 1e-4
    ids = model.tokenizer("The film " + texts[0])["input_ids"]
    assert together[0] == pytest.approx(logits_of(folder, input_ids=ids)[0], abs=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_finished_text_ends_and_one_that_was_cut_does_not(name, reward_model):
    tokenizer = fast(metaspace())
    folder = reward_model(name, tokenizer)
    model = RewardModel(folder, ends="eos")
    twice = Written(["The film"] * 2, [" is great."] * 2, [True, False])
    cut = tokenizer("The film is great.")["input_ids"]
    expected = [logits_of(folder, input_ids=row)[0] for row in ([*cut, tokenizer.eos_token_id], cut)]
    assert abs(expected[0] - expected[1]) > 1e-3
    assert model.score_written(twice) == pytest.approx(expected, abs=1e-5)
    assert model.score(["The film"], [" is great."]) == pytest.approx(expected[:1], abs=1e-5)


def test_a_pair_is_read_with_its_types(reward_model):
    tokenizer = bert()
    folder = reward_model("bert", tokenizer, initializer_range=0.1)
    row = tokenizer("The film", " is great")
    right = logits_of(folder, input_ids=row["input_ids"], token_type_ids=row["token_type_ids"])
    one_type = logits_of(folder, input_ids=row["input_ids"])
    one_text = logits_of(folder, input_ids=tokenizer("The film is great")["input_ids"])
    assert min(abs(right[0] - wrong[0]) for wrong in (one_type, one_text)) > 1e-3
    model = RewardModel(folder, reads="pair")
    assert model.score(["The film"], [" is great"]) == pytest.approx(right, abs=1e-5)
    text = RewardModel(folder, reads="text")
    assert text.score(["The film"], [" is great"]) == pytest.approx(one_text, abs=1e-5)
    with pytest.raises(UserError, match="one text or a pair"):
        RewardModel(folder)


def test_one_of_several_logits_by_its_name_or_a_difference(reward_model):
    tokenizer = fast(byte_level())
    labels = {0: "toxic", 1: "fine"}
    folder = reward_model("gpt2", tokenizer, num_labels=2, id2label=labels, label2id={"toxic": 0, "fine": 1})
    toxic, fine = logits_of(folder, input_ids=tokenizer("The film is great")["input_ids"])
    for logit, value in (("fine", fine), ("toxic", toxic), ("fine-toxic", fine - toxic)):
        model = RewardModel(folder, ends="nothing", logit=logit)
        assert model.score(["The film"], [" is great"]) == pytest.approx([value], abs=1e-5)
    with pytest.raises(UserError, match="found 2 logits, 'toxic', 'fine', expected to be told"):
        RewardModel(folder, ends="nothing")


def test_an_example_shows_what_is_read(reward_model):
    folder = reward_model("llama", fast(metaspace()))
    model = RewardModel(folder, ends="eos")
    shown = model.example(Written(["The film", "It"], [" is great.", " is"], [False, True]))
    # the first word has its space, in its tokens
    finished, cut = "'<s> The film is great.</s>'", "'<s> The film is great.'"
    assert shown == f"{folder} reads a text, its end as told; finished: {finished}, cut at the limit: {cut}"


def test_nothing_is_cut(saved):
    folder = saved("neox", AutoModelForSequenceClassification, num_labels=1)
    with pytest.raises(UserError, match="found no record of how the texts that it learned from ended"):
        RewardModel(folder)
    model = RewardModel(folder, ends="nothing")
    with pytest.raises(UserError, match=r"text 2 for reward model .*: found \d+ tokens, expected at most 48"):
        model.score(["a", "a"], ["b", "the film " * 60])
