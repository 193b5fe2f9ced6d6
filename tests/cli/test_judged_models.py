"""`overopt judge` on what people have: adapters are measured; what would be measured wrongly is refused, with no table."""

import sys
from pathlib import Path

import polars as pl
import pytest
import torch
from edited_models import edit_json
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from overopt.cli import commands
from overopt.models.build import train_tokenizer
from overopt.models.log_probs import sample_kl
from overopt.models.pretrained import encode, load_policy
from overopt.models.sampling import sample_many
from overopt.models.seeding import generator

PROMPTS = ["The film", "It was a slow"]
CARD = "---\ntags:\n- trl\n- reward-trainer\n---\n\n- TRL: 1.16.0\n"  # says how the texts ended that gold learned from


@pytest.fixture
def judge(saved, tmp_path, monkeypatch, capsys):
    """Runs the command on policies: exit code, stderr, and the table if one was written."""
    gold = saved("gpt2", AutoModelForSequenceClassification, num_labels=1)
    Path(gold, "README.md").write_text(CARD)
    prompts, out = tmp_path / "prompts.txt", tmp_path / "policies.csv"
    prompts.write_text("\n".join(PROMPTS))

    def run(*policies, base, gold=gold):
        files = ("--prompts", str(prompts), "--out", str(out))
        sizes = ("--samples", "20", "--tokens", "6", "--device", "cpu")
        monkeypatch.setattr(
            sys, "argv", ["overopt", "judge", *policies, "--base", base, "--gold", gold, *files, *sizes]
        )
        try:
            commands.main()
            code = 0
        except SystemExit as done:
            code = done.code
        return code, capsys.readouterr().err, pl.read_csv(out) if out.exists() else None

    return run


def test_adapters_are_measured_as_the_policy_that_they_make(judge, saved, tmp_path):
    base = saved("llama")
    made = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base, use_safetensors=True),
        LoraConfig(target_modules=["q_proj"]),
    )
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(0.5 * torch.randn_like(weight) * weight.requires_grad)
    made.save_pretrained(tmp_path / "adapters")
    code, _, table = judge(str(tmp_path / "adapters"), base=base)
    assert code == 0
    # the same from the whole model that peft itself makes of them
    policy, (start, tokenizer) = made.merge_and_unload().eval(), load_policy(base)
    policy.config.pad_token_id = tokenizer.pad_token_id
    asked, draws = encode(PROMPTS, tokenizer, most=42), generator(0, "own policies")
    samples = sample_many(policy, asked, 20, 6, generator=draws)
    assert table["kl"][1] == pytest.approx(sample_kl(policy, start, samples).exact.mean().item(), abs=1e-4)
    assert table["kl"][1] > 0.05


def test_what_would_be_measured_wrongly_is_one_sentence(judge, saved):
    base, other, cut = (saved("llama", seed=seed) for seed in range(3))
    train_tokenizer(["Sing, goddess, the anger of Achilles."], 300).save_pretrained(other)
    edit_json(cut, num_hidden_layers=2, layer_types=None)
    judged_by_itself = {"gold": saved("llama", seed=3, num_labels=1)}
    cases = {
        "found another vocabulary than the base policy's": judge(other, base=base),
        "found no weights for model.layers.1.": judge(cut, base=base),
        "found a LlamaForCausalLM, which has no weights of a head that scores texts": judge(
            base, base=base, **judged_by_itself
        ),
    }
    for sentence, (code, said, table) in cases.items():
        assert (code, table) == (2, None), said
        assert sentence in said
        assert said.strip().splitlines()[-1].startswith("overopt: ")
