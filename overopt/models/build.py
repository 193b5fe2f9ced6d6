"""Tokenizer and models: every model is a `transformers` model, built from a shape or loaded from a folder."""

from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from overopt.models.seeding import isolated
from overopt.study.parts import Shape

PAD, BOS, EOS = "<pad>", "<bos>", "<eos>"
ENCODED_AT_ONCE = 8192  # a tokenizer keeps two kilobytes a text while it encodes


def train_tokenizer(
    texts: Iterable[str], vocabulary: int, *, lowercase: bool = False
) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of `vocabulary` tokens, trained on `texts`; any string round-trips through it,
    but for capitals where `lowercase` is set.

    A text is encoded with a leading space, so a completion encodes the same alone as after its prompt.
    """
    tokenizer = Tokenizer(models.BPE())
    if lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, bos_token=BOS, eos_token=EOS, padding_side="left"
    )


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer saved in `folder`."""
    return PreTrainedTokenizerFast.from_pretrained(folder)


def token_ids(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> list[list[int]]:
    """The tokens of each text, none added: as the tokenizer gives them when called, without its copies in Python."""
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    return [found.ids for found in backend.encode_batch_fast(texts, add_special_tokens=False)]


def continuation_ids(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> list[list[int]]:
    """The tokens of texts that continue others, by a tokenizer of `train_tokenizer`: no space is put before them.

    Decoded completions are such texts: one may begin within a word, or by a comma.
    """
    backend = deepcopy(tokenizer.backend_tokenizer)
    backend.no_padding()
    backend.no_truncation()
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return [found.ids for found in backend.encode_batch_fast(texts, add_special_tokens=False)]


def encode_sentences(texts: list[str], tokenizer: PreTrainedTokenizerFast, limit: int) -> list[list[int]]:
    """BOS, tokens and EOS of each text, cut at `limit` tokens."""
    rows = []
    for start in range(0, len(texts), ENCODED_AT_ONCE):
        part = texts[start : start + ENCODED_AT_ONCE]
        for row in token_ids(tokenizer, part):
            rows.append([tokenizer.bos_token_id, *row, tokenizer.eos_token_id][:limit])
    return rows


def new_language_model(
    shape: Shape, tokenizer: PreTrainedTokenizerFast, positions: int, seed: int
) -> GPT2LMHeadModel:
    """An untrained decoder with `positions` learned positions and tied embeddings, the same for the same seed."""
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=positions,
        n_embd=shape.width,
        n_layer=shape.layers,
        n_head=shape.heads,
        activation_function="silu",  # on a CPU four times as fast as GELU with its tanh
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        initializer_range=0.05,  # at these widths the default 0.02 learns several times slower
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    with isolated(seed, "initial weights"):
        return GPT2LMHeadModel(config)


def new_reward_model(language_model: PreTrainedModel, seed: int) -> PreTrainedModel:
    """The language model's body under a fresh scalar head (Stiennon et al. 2020, section 3.4).

    The head starts near zero, so that all scores start near equal.
    """
    config = type(language_model.config)(**(language_model.config.to_dict() | {"num_labels": 1}))
    with isolated(seed, "reward head"):
        model = AutoModelForSequenceClassification.from_config(config)
        nn.init.normal_(model.score.weight, std=1.0 / (config.hidden_size + 1))
    model.base_model.load_state_dict(language_model.base_model.state_dict())
    return model


def load_language_model(
    folder: Path, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> PreTrainedModel:
    """A causal language model saved in `folder`, in evaluation mode on `device`."""
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, use_safetensors=True).to(device).eval()


def load_reward_model(
    folder: Path, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> PreTrainedModel:
    """A one-logit sequence classifier of a causal model saved in `folder`, in evaluation mode on `device`."""
    kind = AutoModelForSequenceClassification
    return kind.from_pretrained(folder, dtype=dtype, use_safetensors=True).to(device).eval()


def save_model(model: PreTrainedModel, out: Path) -> None:
    """`out/model`, loadable with transformers' `from_pretrained`."""
    model.save_pretrained(out / "model")


def count_parameters(model: nn.Module) -> int:
    """Parameters outside token and position embeddings, the paper's measure of size; an output layer is one of them."""
    embeddings = {id(p) for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    output = model.get_output_embeddings() if isinstance(model, PreTrainedModel) else None
    embeddings |= {id(p) for p in output.parameters()} if output is not None else set()
    return sum(p.numel() for p in model.parameters() if id(p) not in embeddings)
