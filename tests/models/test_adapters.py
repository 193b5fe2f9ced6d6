"""Adapters of folders: added into their base, weight by weight, or refused in one sentence."""

import json
from pathlib import Path

import pytest
import torch
from edited_models import edit_json
from peft import IA3Config, LoraConfig, PrefixTuningConfig, PromptTuningConfig, get_peft_model
from safetensors.torch import load_file, save_file
from tiny_models import CONFIGS, REWARD_CONFIGS
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from overopt.models.log_probs import sample_kl
from overopt.models.pretrained import encode, load_classifier, load_policy
from overopt.models.sampling import sample_many
from overopt.models.seeding import generator
from overopt.util.errors import UserError

IDS = torch.arange(8)[None]
TARGETS = {
    "llama": ["q_proj", "down_proj"],
    "qwen": ["v_proj"],
    "neox": ["query_key_value"],
    "gpt2": ["c_attn"],
}


@pytest.fixture
def lora(tmp_path):
    """Saves adapters of a base, far from zero, with or without its tokenizer, and returns their folder."""

    def make(base, kind=AutoModelForCausalLM, tokenizer=True, config=LoraConfig, options=None, **more):
        folder, before = tmp_path / "adapters", torch.random.get_rng_state()
        torch.manual_seed(7)
        model = kind.from_pretrained(base, use_safetensors=True, **(options or {}))
        made = get_peft_model(model, config(**more))
        with torch.no_grad():
            for weight in made.parameters():
                if weight.requires_grad:
                    weight.add_(0.3 * torch.randn_like(weight))
        made.save_pretrained(folder)
        if tokenizer:
            AutoTokenizer.from_pretrained(base).save_pretrained(folder)
        torch.random.set_rng_state(before)
        return str(folder), made.eval()

    return make


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("scaled", [False, True])
def test_low_rank_adapters_are_added_into_the_weights(name, scaled, saved, lora):
    """W + alpha / r B A by hand, transposed where GPT-2 keeps its weights so; alpha / sqrt(r) with use_rslora."""
    base = saved(name)
    folder, _ = lora(
        base, r=4, lora_alpha=6, target_modules=TARGETS[name], use_rslora=scaled, task_type="CAUSAL_LM"
    )
    policy, _ = load_policy(folder)
    found, before = policy.state_dict(), load_policy(base)[0].state_dict()
    assert found.keys() == before.keys()
    adapters = load_file(Path(folder, "adapter_model.safetensors"))
    changed = []
    for key in before:
        stem = "base_model.model." + key.removesuffix(".weight")
        expected = before[key]
        if f"{stem}.lora_A.weight" in adapters:
            product = adapters[f"{stem}.lora_B.weight"] @ adapters[f"{stem}.lora_A.weight"]
            expected = expected + (6 / 4**0.5 if scaled else 6 / 4) * (
                product.T if name == "gpt2" else product
            )
            changed.append(key)
        torch.testing.assert_close(found[key], expected)
    assert len(changed) == len(TARGETS[name])


@pytest.mark.parametrize("name", CONFIGS)
def test_adapters_are_sampled_and_measured(name, saved, lora):
    base = saved(name)
    folder, made = lora(base, target_modules=TARGETS[name], task_type="CAUSAL_LM")
    (policy, tokenizer), start = load_policy(folder), load_policy(base)[0]
    torch.testing.assert_close(policy(IDS).logits, made(IDS).logits, atol=1e-4, rtol=1e-4)
    prompts = encode(["The film"], tokenizer, most=40)
    samples = sample_many(policy, prompts, 20, 6, generator=generator(0, "x"))
    assert sample_kl(policy, start, samples).exact.mean() > 0.05
    assert not torch.equal(samples.ids, sample_many(start, prompts, 20, 6, generator=generator(0, "x")).ids)


@pytest.mark.parametrize(
    "more",
    [
        {"use_dora": True},
        {"bias": "lora_only"},
        {"modules_to_save": ["lm_head"]},
        {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"q_proj": 3}},
    ],
    ids=lambda more: next(iter(more)),
)
def test_options_that_can_be_added_in_say_what_the_adapters_say(more, saved, lora):
    folder, made = lora(saved("qwen"), target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM", **more)
    policy, _ = load_policy(folder)
    torch.testing.assert_close(policy(IDS).logits, made(IDS).logits, atol=1e-4, rtol=1e-4)


def test_an_output_layer_that_adapters_bring_stays_apart_from_the_embedding(saved, lora):
    folder, made = lora(
        saved("llama", tie_word_embeddings=True), target_modules=["q_proj"], modules_to_save=["lm_head"]
    )
    policy, _ = load_policy(folder)
    policy.tie_weights()
    torch.testing.assert_close(policy(IDS).logits, made(IDS).logits, atol=1e-4, rtol=1e-4)


def test_adapters_without_a_tokenizer_read_that_of_their_base(saved, lora):
    base = saved("llama")
    folder, _ = lora(base, tokenizer=False, target_modules=["q_proj"])
    assert load_policy(folder)[1].get_vocab() == AutoTokenizer.from_pretrained(base).get_vocab()


@pytest.mark.parametrize("name", ["llama", "bert"])
def test_a_reward_model_may_be_adapters_that_bring_its_head(name, saved, lora):
    """As TRL saves them: the base is a model without a head, or with another."""
    base = saved(name, configs=REWARD_CONFIGS) if name == "llama" else saved(
        name, AutoModelForSequenceClassification, configs=REWARD_CONFIGS, num_labels=1
    )  # fmt: skip
    targets = {"llama": ["q_proj"], "bert": ["query"]}[name]
    folder, made = lora(
        base,
        AutoModelForSequenceClassification,
        options={"num_labels": 1},
        target_modules=targets,
        task_type="SEQ_CLS",
    )
    judge, _ = load_classifier(folder)
    assert judge.num_labels == 1
    assert made(IDS).logits.abs() > 1e-3
    torch.testing.assert_close(judge(IDS).logits, made(IDS).logits, atol=1e-4, rtol=1e-4)
    with pytest.raises(UserError, match="found adapters for SEQ_CLS, expected CAUSAL_LM"):
        load_policy(folder)


def test_adapters_of_a_language_model_are_no_gold(saved, lora):
    folder, _ = lora(saved("llama"), target_modules=["q_proj"], task_type="CAUSAL_LM")
    with pytest.raises(UserError, match="found adapters for CAUSAL_LM, expected SEQ_CLS"):
        load_classifier(folder)
    edit_json(folder, "adapter_config.json", task_type=None)
    with pytest.raises(UserError, match="found a LlamaForCausalLM, which has no weights of a head"):
        load_classifier(folder)


@pytest.mark.parametrize(
    ("config", "more", "kind"),
    [
        (PromptTuningConfig, {"num_virtual_tokens": 2}, "PROMPT_TUNING"),
        (PrefixTuningConfig, {"num_virtual_tokens": 2}, "PREFIX_TUNING"),
        (IA3Config, {"target_modules": ["q_proj"], "feedforward_modules": []}, "IA3"),
    ],
)
def test_other_adapters_are_refused(config, more, kind, saved, lora):
    folder, _ = lora(saved("llama"), config=config, task_type="CAUSAL_LM", **more)
    with pytest.raises(UserError, match=f"found adapters of the kind {kind}, expected LORA"):
        load_policy(folder)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"init_lora_weights": "pissa"}, 'found init_lora_weights = "pissa" .*, expected plain LoRA'),
        ({"alora_invocation_tokens": [3, 4]}, r"found alora_invocation_tokens = \[3, 4\] "),
        ({"layer_replication": [[0, 1], [0, 1]]}, "found layer_replication = "),
        ({"target_parameters": ["q_proj.weight"]}, "found target_parameters = "),
        ({"from_the_future": 1}, "found from_the_future = 1 "),
        ({"base_model_name_or_path": None}, "found no base_model_name_or_path"),
        ({"r": 3}, r"weights are not those of .*\.lora_A\.weight.*; expected those that"),
        ({"target_modules": ["q_proj", "v_proj"]}, r"weights are not those of .*v_proj\.lora_A\.weight"),
    ],
)
def test_what_is_not_added_exactly_is_refused(fields, sentence, saved, lora):
    folder, _ = lora(saved("llama"), target_modules=["q_proj"])
    edit_json(folder, "adapter_config.json", **fields)
    with pytest.raises(UserError, match=sentence):
        load_policy(folder)


def test_weights_that_an_adapted_and_another_layer_share_are_refused(saved, lora):
    """Added into the embedding, the adapters would change the output layer as well."""
    folder, _ = lora(saved("llama", tie_word_embeddings=True), target_modules=["embed_tokens"])
    kept = load_file(path := Path(folder, "adapter_model.safetensors"))
    save_file({key: weight for key, weight in kept.items() if "lora" in key}, path)
    with pytest.raises(UserError, match="found adapters that cannot be added into the weights of "):
        load_policy(folder)


def test_an_incomplete_folder_is_named(saved, lora, tmp_path):
    base = saved("llama")
    folder, _ = lora(base, target_modules=["q_proj"])
    path, kept = Path(folder, "adapter_model.safetensors"), Path(folder, "kept")
    path.rename(kept)
    with pytest.raises(UserError, match=r"found adapter_config\.json without adapter_model\.safetensors"):
        load_policy(folder)
    weights = load_file(kept)
    lost = weights.popitem()[0]
    save_file(weights, path)
    with pytest.raises(UserError, match=f"missing, left over or of another shape are {lost}"):
        load_policy(folder)
    kept.rename(path)
    load_policy(folder)
    edit_json(folder, "adapter_config.json", base_model_name_or_path=str(tmp_path / "gone"))
    with pytest.raises(
        UserError, match=r"found no model \S+gone, which its adapter_config\.json names as the"
    ):
        load_policy(folder)
    Path(folder, "adapter_config.json").write_text("[1]")
    with pytest.raises(UserError, match=r"found no JSON object in adapter_config\.json"):
        load_policy(folder)


def test_a_base_is_whole(saved, lora, tmp_path):
    base = saved("llama")
    folder, _ = lora(base, target_modules=["q_proj"])
    other = tmp_path / "more"
    other.mkdir()
    for file in Path(folder).iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    edit_json(other, "adapter_config.json", base_model_name_or_path=folder)
    with pytest.raises(UserError, match="which are adapters too, expected a whole model"):
        load_policy(str(other))
    edit_json(base, quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True})
    with pytest.raises(UserError, match="found quantised weights"):
        load_policy(folder)


def test_a_whole_model_and_adapters_in_one_folder_are_refused(saved, lora):
    """Adapters that are left beside what they were merged into would be added twice."""
    base = saved("llama")
    folder, _ = lora(base, target_modules=["q_proj"])
    for file in ("config.json", "model.safetensors"):
        Path(folder, file).write_bytes(Path(base, file).read_bytes())
    assert json.loads(Path(folder, "adapter_config.json").read_text())["peft_type"] == "LORA"
    with pytest.raises(UserError, match=r"found both adapter_config\.json and config\.json"):
        load_policy(folder)
