"""Models that somebody else trained: loaded by hub id or folder, prompted and scored as they expect it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import polars as pl
import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from overopt.models.as_saved import tokenizer_as_saved
from overopt.models.logits import which_logit
from overopt.models.samples import Prompts, pad_rows
from overopt.models.turns import chat_text
from overopt.util.chats import last_user_turn, written_out
from overopt.util.errors import UserError
from overopt.util.table_files import TABLES, format_of, opened, read_table


@runtime_checkable
class Scorer(Protocol):
    """Whatever can say how good completions are: a reward model, a rule, a person.

    >>> class Calm:
    ...     def score(self, prompts, completions):
    ...         return [-float(text.count("!")) for text in completions]
    >>> isinstance(Calm(), Scorer)
    True
    """

    def score(self, prompts: Sequence[str], completions: Sequence[str]) -> Sequence[float]:
        """One number a completion, of any scale; higher is better."""


def load_policy(
    name: str, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A causal language model and its tokenizer, ready for `overopt.models.sampling`.

    The end of a completion is the tokenizer's end of sequence; where there is no padding token, that one pads.

    Raises:
        UserError: if there is no such model, or its tokenizer has no end of sequence.

    >>> policy, tokenizer = load_policy("sft")  # a folder, or the id of a model of the hub
    >>> tokenizer.eos_token_id == policy.config.eos_token_id
    True
    """
    model = _loaded(
        "a causal language model",
        name,
        lambda: AutoModelForCausalLM.from_pretrained(name, dtype=dtype, use_safetensors=True),
    )
    tokenizer = _tokenizer(name)
    if tokenizer.eos_token_id is None:
        raise UserError(f"model {name}: found a tokenizer without an end of sequence, expected one with")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    model.config.eos_token_id = tokenizer.eos_token_id
    model.config.pad_token_id = tokenizer.pad_token_id
    return model.to(device).eval(), tokenizer


def load_classifier(
    name: str, dtype: torch.dtype = torch.float32, logit: str | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A sequence classifier and its tokenizer; `logit` says which of several logits is meant (default: the only one).

    Raises:
        UserError: if there is no such model, or as `which_logit`, before weights are read.
    """
    config = _loaded("a reward model", name, lambda: AutoConfig.from_pretrained(name))
    which_logit(name, config, logit)
    model = _loaded(
        "a reward model",
        name,
        lambda: AutoModelForSequenceClassification.from_pretrained(name, dtype=dtype, use_safetensors=True),
    )
    return model.eval(), _tokenizer(name)


def _tokenizer(name: str) -> PreTrainedTokenizerBase:
    return _loaded("a tokenizer beside the model", name, lambda: tokenizer_as_saved(name))


def _loaded(expected: str, name: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except (OSError, ValueError, KeyError) as error:
        first = str(error).strip().splitlines()[0]
        raise UserError(
            f"model {name}: expected {expected}, by hub id or as a folder; found: {first}"
        ) from None


def encode(
    prompts: Sequence[str], tokenizer: PreTrainedTokenizerBase, *, most: int, chat: bool = False
) -> Prompts:
    """Prompts as the model expects them, padded on the left: with special tokens, or as the user's turn of a chat.

    Raises:
        UserError: if a prompt is empty or has more than `most` tokens (nothing is ever cut), or `chat` is asked of
            a tokenizer without a template.
    """
    if chat and not tokenizer.chat_template:
        raise UserError("chat: found a tokenizer without a chat template, expected one; leave it out")
    rows = [turn(prompt, tokenizer) if chat else list(tokenizer(prompt)["input_ids"]) for prompt in prompts]
    for k, row in enumerate(rows):
        if not 0 < len(row) <= most:
            raise UserError(f"prompt {k + 1}: found {len(row)} tokens, expected 1 to {most}")
    ids = pad_rows(rows, tokenizer.pad_token_id, left=True)
    starts = torch.tensor([ids.shape[1] - len(row) for row in rows])
    return Prompts(ids, torch.arange(ids.shape[1]) >= starts[:, None])


def turn(prompt: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Token ids of a user's turn and the start of the answer."""
    # the template writes its own special tokens
    return list(tokenizer(chat_text(prompt, tokenizer), add_special_tokens=False)["input_ids"])


def read_prompts(path: Path | str, field: str = "prompt") -> list[str]:
    """Prompts from a text file (one a line), or from the column `field` of CSV, JSON, JSON lines or parquet.

    Text may be packed (.gz). Of a prompt that is a chat, a list of messages {role, content}, it is the user's last turn.

    Raises:
        UserError: if the file is missing, unreadable or of another kind, or holds no prompt, or an empty one.

    >>> read_prompts("prompts.jsonl")[0]
    'The film was good'
    """
    path = Path(path)
    ending = format_of(path, (".txt", *TABLES))
    if not path.is_file():
        raise UserError(f"{path}: found no file, expected {field}s as {', '.join(('.txt', *TABLES))}")
    found = _lines(path) if ending == ".txt" else _column(path, field)
    empty = [k + 1 for k, text in enumerate(found) if not isinstance(text, str) or not text.strip()]
    if not found or empty:
        where = f"no text in row {empty[0]}" if empty else f"no {field}"
        raise UserError(f"{path}: found {where}, expected a {field} in every row")
    return [str(text) for text in found]


def _lines(path: Path) -> list[str]:
    try:
        with opened(path) as file:
            return [line for line in file.read().splitlines() if line.strip()]
    except (OSError, EOFError, UnicodeDecodeError) as error:
        first = str(error).splitlines()[0]
        raise UserError(f"{path}: could not be read ({first}), expected text") from None


def _column(path: Path, field: str) -> list[Any]:
    table = read_table(path, expected="a table of prompts", text=(field,), chat=last_user_turn)
    if field not in table.columns:
        names = ", ".join(repr(name) for name in table.columns)
        raise UserError(f"{path}: expected a field {field!r} in every row; found: {names}")
    texts = table[field].cast(pl.String).to_list()
    chats = [text if text is None else written_out(text) for text in texts]
    return [
        chat if chat is None or isinstance(chat, str) else last_user_turn(chat, f"{path}, row {row}")
        for row, chat in enumerate(chats, 1)
    ]
