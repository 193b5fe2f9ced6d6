"""A tokenizer stays what its owner saved, whatever architecture stands beside it."""

import json
from pathlib import Path

import pytest
from tiny_models import CONFIGS
from tokenizer_families import FAMILIES, fast
from transformers import AutoTokenizer

from overopt.models import as_saved
from overopt.models.as_saved import TRIED, tokenizer_as_saved
from overopt.models.pretrained import load_policy
from overopt.util.errors import UserError


@pytest.mark.parametrize("name", FAMILIES)
def test_beside_every_architecture_it_splits_texts_as_it_did(name, tmp_path):
    tokenizer = fast(FAMILIES[name](), chat_template="{{ messages }}")
    for architecture, config in CONFIGS.items():
        folder = tmp_path / architecture
        tokenizer.save_pretrained(folder)
        config.save_pretrained(folder)
        found = tokenizer_as_saved(str(folder))
        for text in TRIED:
            assert found(text)["input_ids"] == tokenizer(text)["input_ids"], architecture
        assert (found.eos_token_id, found.pad_token_id) == (tokenizer.eos_token_id, tokenizer.pad_token_id)
        assert found.chat_template == "{{ messages }}"


def test_a_policy_gets_it(saved):
    """By transformers alone it would have Qwen2's pre-tokenizer."""
    folder = saved("qwen", vocab_size=320)
    tokenizer = fast(FAMILIES["Metaspace"]())
    tokenizer.save_pretrained(folder)
    right = tokenizer("The film")["input_ids"]
    assert AutoTokenizer.from_pretrained(folder)("The film")["input_ids"] != right
    assert load_policy(folder)[1]("The film")["input_ids"] == right


def test_one_that_cannot_be_had_as_saved_is_refused(saved, monkeypatch):
    folder = saved("qwen", vocab_size=320)
    fast(FAMILIES["Metaspace"]()).save_pretrained(folder)
    monkeypatch.setattr(as_saved, "PreTrainedTokenizerFast", AutoTokenizer)
    with pytest.raises(
        UserError, match="that transformers loads as a Qwen2Tokenizer, which splits texts otherwise"
    ):
        load_policy(folder)


def test_truncation_in_the_file_is_no_disagreement(saved, tmp_path):
    """It is saved by some trainers, and transformers leaves it off."""
    folder = saved("llama", vocab_size=320)
    tokenizer = fast(FAMILIES["Metaspace"]())
    tokenizer.save_pretrained(folder)
    path = Path(folder) / "tokenizer.json"
    told = json.loads(path.read_text())
    told["truncation"] = {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}
    path.write_text(json.dumps(told))
    assert tokenizer_as_saved(folder)(TRIED[0])["input_ids"] == tokenizer(TRIED[0])["input_ids"]
