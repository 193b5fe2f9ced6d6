"""The page for people with models of their own: what it tells them to type runs, on tiny models with its names."""

import re
import shlex
import subprocess
import sys

import polars as pl
import pytest
import torch
from conftest import TEXTS
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

from overopt.study import ROOT

PAGE = (ROOT / "book" / "own.md").read_text(encoding="utf-8")
SHAPE = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tokenizer):
    """Everything that the page names, as small as can be."""
    here = tmp_path_factory.mktemp("own")
    ends = {"eos_token_id": tokenizer.eos_token_id, "bos_token_id": tokenizer.bos_token_id, "num_labels": 1}
    config = LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=64, **SHAPE, **ends)
    for seed, name in enumerate(("sft", "dpo-100", "dpo-200", "dpo-300", "dpo-400", "reward-model")):
        torch.manual_seed(seed)
        model = (LlamaForSequenceClassification if name == "reward-model" else LlamaForCausalLM)(config)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        model.save_pretrained(here / name)
        tokenizer.save_pretrained(here / name)
    pl.DataFrame({"prompt": [text[:20] for text in TEXTS[:4]]}).write_ndjson(here / "prompts.jsonl")
    scores = torch.rand(60, 2, generator=torch.Generator().manual_seed(0))
    columns = {"prompt": ["a", "b", "c"] * 20, "gold": scores[:, 0].tolist(), "mine": scores[:, 1].tolist()}
    pl.DataFrame(columns).write_csv(here / "scores.csv")
    return here


@pytest.mark.parametrize("block", blocks("bash"), ids=lambda block: " ".join(block.split()[:2]))
def test_the_commands_run(folder, block):
    for line in block.strip().splitlines():
        command, *rest = shlex.split(line)
        assert command == "overopt"
        done = subprocess.run(
            [sys.executable, "-m", "overopt", *rest], cwd=folder, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()
    table = pl.read_csv(folder / rest[1])  # what was fitted
    assert table["kl"].max() > 0.1


def test_the_code_runs(folder, monkeypatch, capsys):
    (code,) = blocks("python")
    monkeypatch.chdir(folder)
    names = {}
    exec(compile(code, "own.md", "exec"), names)
    assert names["table"]["policy"].to_list() == ["base", "dpo-100", "dpo-400"]
    assert "gold_se" in capsys.readouterr().out
