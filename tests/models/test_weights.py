"""Weights that were not saved are named, never made up; what a model never reads changes nothing."""

from pathlib import Path

import pytest
import torch
from edited_models import edit_json, edit_weights
from tiny_models import CONFIGS, REWARD_CONFIGS
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    BartConfig,
    BartForCausalLM,
)

from overopt.models.pretrained import load_classifier, load_policy
from overopt.models.weights import CLASSIFIER, POLICY, load_weights, read_config
from overopt.util.errors import UserError

IDS = torch.arange(6)[None]


@pytest.fixture
def classifier(saved):
    """Saves a classifier of one logit and returns its folder."""

    def make(name, **more):
        return saved(name, AutoModelForSequenceClassification, configs=REWARD_CONFIGS, num_labels=1, **more)

    return make


@pytest.mark.parametrize("name", CONFIGS)
def test_a_language_model_is_no_gold(name, saved):
    folder = saved(name, num_labels=1)
    with pytest.raises(UserError, match=r"reward model .*: found a \w+, which has no weights of a head that"):
        load_classifier(folder)
    edit_json(folder, architectures=None)  # nothing says what it was saved as, but its weights
    with pytest.raises(
        UserError, match=r"reward model .*: found no weights for score\.weight, expected a rew"
    ):
        load_classifier(folder)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_classifier_is_no_policy(name, classifier):
    with pytest.raises(UserError, match=r"weights of no use, score\.weight.*saved as \w+ForSequenceClassif"):
        load_policy(classifier(name))


def test_a_classifier_of_tokens_names_its_weights_like_one_of_texts(saved):
    with pytest.raises(
        UserError, match="found a LlamaForTokenClassification, which has no weights of a head"
    ):
        load_classifier(saved("llama", AutoModelForTokenClassification, num_labels=1))


@pytest.mark.parametrize("name", CONFIGS)
def test_each_fault_of_a_policy_names_the_weight(name, saved):
    folder = saved(name)
    lost = []

    def lose(weights):
        lost.append(next(key for key in weights if "mlp" in key and weights[key].dim() == 2))
        return {key: weight for key, weight in weights.items() if key != lost[0]}

    edit_weights(folder, lose)
    with pytest.raises(UserError, match=f"found no weights for {lost[0]}, expected a causal language model"):
        load_policy(folder)
    edit_weights(folder, lambda weights: {**weights, lost[0]: torch.ones(3, 5)})
    with pytest.raises(UserError, match=rf"weights of another shape, {lost[0]} \[3, 5\] for \[\d+, \d+\]"):
        load_policy(folder)
    edit_weights(folder, lambda weights: {**weights, "extra.weight": torch.ones(2)})
    with pytest.raises(UserError, match=r"weights of no use, extra\.weight; weights of another shape, "):
        load_policy(folder)


def test_many_missing_weights_are_counted(saved):
    folder = saved("llama", num_hidden_layers=2)
    edit_json(folder, num_hidden_layers=3, layer_types=None)
    with pytest.raises(
        UserError, match=r"found no weights for model\.layers\.2\.\S+, .* and 6 more, expected"
    ):
        load_policy(folder)


def test_weights_that_are_shared_are_saved_once(saved):
    folder = saved("llama", tie_word_embeddings=True)
    model, _ = load_policy(folder)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    before = model.lm_head.weight.detach().clone()
    edit_weights(
        folder, lambda weights: weights.update({"lm_head.weight": weights.pop("model.embed_tokens.weight")})
    )
    again, _ = load_policy(folder)  # saved under the other name
    assert torch.equal(again.model.embed_tokens.weight, before)
    assert again.lm_head.weight is again.model.embed_tokens.weight


def test_weights_that_are_saved_apart_stay_apart(saved):
    folder = saved("llama", tie_word_embeddings=True)
    edit_weights(
        folder, lambda weights: weights.update({"lm_head.weight": 2 * weights["model.embed_tokens.weight"]})
    )
    model, _ = load_policy(folder)
    model.tie_weights()
    assert torch.equal(model.lm_head.weight, 2 * model.model.embed_tokens.weight)
    assert not model.config.tie_word_embeddings


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("gpt2", "transformer.h.0.attn.masked_bias"),
        ("gpt2", "transformer.h.0.attn.bias"),
        ("neox", "gpt_neox.layers.0.attention.rotary_emb.inv_freq"),
        ("llama", "v_head.summary.weight"),
    ],
)
def test_what_a_policy_never_reads_changes_nothing(name, key, saved):
    folder = saved(name)
    expected = load_policy(folder)[0](IDS).logits
    edit_weights(folder, lambda weights: weights.update({key: torch.ones(4)}))
    assert torch.equal(load_policy(folder)[0](IDS).logits, expected)


@pytest.mark.parametrize(
    ("name", "key"), [("llama", "lm_head.weight"), ("bert", "bert.embeddings.position_ids")]
)
def test_what_a_classifier_never_reads_changes_nothing(name, key, classifier):
    folder = classifier(name)
    expected = load_classifier(folder)[0](IDS).logits
    edit_weights(folder, lambda weights: weights.update({key: torch.ones(4)}))
    assert torch.equal(load_classifier(folder)[0](IDS).logits, expected)


@pytest.mark.parametrize(
    "settings", [{"quant_method": "bitsandbytes", "load_in_4bit": True}, {"quant_method": "fp8"}]
)
def test_quantised_folders_are_refused(settings, saved, classifier):
    for folder, load in ((saved("llama"), load_policy), (classifier("llama"), load_classifier)):
        edit_json(folder, quantization_config=settings)
        with pytest.raises(UserError, match="found quantised weights, expected them whole, as floats"):
            load(folder)


def test_quantised_weights_are_refused_where_nothing_says_so(saved):
    folder, key = saved("llama"), "model.layers.0.mlp.down_proj"

    def quantise(weights):
        scale = weights[f"{key}.weight"].abs().amax(1) / 127
        whole = (weights[f"{key}.weight"] / scale[:, None]).round().to(torch.int8)
        weights |= {f"{key}.weight": whole, f"{key}.SCB": scale}

    edit_weights(folder, quantise)
    with pytest.raises(UserError, match=f"found weights of no use, {key}.SCB, expected"):
        load_policy(folder)


def test_weights_cut_short_on_disk_are_named(saved):
    folder = saved("llama")
    path = Path(folder, "model.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"model .*: expected a causal language model, .*; found: "):
        load_policy(folder)


def test_what_something_else_brings_may_be_missing(saved):
    folder = saved("llama", num_labels=1)
    config = read_config(CLASSIFIER, folder)
    assert load_weights(CLASSIFIER, folder, config, torch.float32, brought=["score.weight"]).num_labels == 1
    with pytest.raises(UserError, match=r"found no weights for score\.weight"):
        load_weights(CLASSIFIER, folder, config, torch.float32, brought=["scores.weight"])


def test_an_encoder_with_a_decoder_is_no_policy(tmp_path, tokenizer):
    shape = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "max_position_embeddings": 48}
    config = BartConfig(vocab_size=len(tokenizer), is_encoder_decoder=True, **shape)
    BartForCausalLM(config).save_pretrained(tmp_path)
    edit_json(tmp_path, is_encoder_decoder=True)
    with pytest.raises(
        UserError, match=r"found an encoder with a decoder \(bart\), expected a causal language"
    ):
        read_config(POLICY, str(tmp_path))


def test_an_encoder_is_no_policy(saved):
    """transformers loads a model of masked words as a language model, all weights there, without a word."""
    folder = saved("bert", AutoModelForMaskedLM, configs=REWARD_CONFIGS)
    with pytest.raises(UserError, match="found a BertLMHeadModel that reads ahead of the token it predicts"):
        load_policy(folder)
    edit_json(folder, is_decoder=True)  # the same weights, masked, are one
    assert load_policy(folder)[0].config.is_decoder


def test_a_model_that_says_no_numbers_is_refused(saved):
    folder = saved("gpt2")
    edit_weights(
        folder, lambda weights: weights.update({"transformer.ln_f.bias": torch.full((16,), torch.nan)})
    )
    with pytest.raises(UserError, match="found logits that are no numbers"):
        load_policy(folder)
