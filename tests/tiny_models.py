"""Tiny models of several architectures, as somebody might have published them: saved to disk with a tokenizer."""

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    Qwen2Config,
)

SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 48}
CONFIGS = {
    "llama": LlamaConfig(intermediate_size=32, num_key_value_heads=1, **SMALL),
    "neox": GPTNeoXConfig(intermediate_size=32, **SMALL),
    "qwen": Qwen2Config(intermediate_size=32, num_key_value_heads=1, **SMALL),
    "gpt2": GPT2Config(n_embd=16, n_layer=1, n_head=2, n_positions=48),
}
REWARD_CONFIGS = CONFIGS | {"bert": BertConfig(intermediate_size=32, **SMALL)}


@pytest.fixture
def saved(tokenizer, tmp_path, sharpen):
    """Saves a sharpened model of an architecture with the tests' tokenizer, and returns its folder."""

    def save(name, kind=AutoModelForCausalLM, seed=0, configs=CONFIGS, **more):
        config = configs[name].from_dict(
            {field: value for field, value in configs[name].to_dict().items() if field != "layer_types"}
            | {"vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id, **more}
            | {"bos_token_id": tokenizer.bos_token_id, "pad_token_id": None}
        )
        torch.manual_seed(seed)
        folder = tmp_path / f"{name}-{kind.__name__}-{seed}"
        sharpen(kind.from_config(config)).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return str(folder)

    return save
