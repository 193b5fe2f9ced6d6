"""Models that somebody else trained: loaded by hub id or folder, prompted and scored as they expect it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import polars as pl
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from overopt.models.adapters import config_of, load_model, tokenizer_source
from overopt.models.as_saved import tokenizer_as_saved
from overopt.models.causal import refuse_if_sees_ahead
from overopt.models.logits import which_logit
from overopt.models.prompt_tokens import prompt_tokens
from overopt.models.samples import Prompts, pad_rows
from overopt.models.turns import chat_text
from overopt.models.vocabulary import drop_rows_without_token, ends_of
from overopt.models.weights import CLASSIFIER, POLICY, Kind, loaded
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

    Of adapters (LoRA), the base that they name, with them added into its weights. Completions end with the tokenizer's end
    of sequence, or with whatever else the generation configuration says: `config.eos_token_id` is the end, or a list of
    them. Where there is no padding token, the end of sequence pads. Embedding rows that no token has are cut.

    Raises:
        UserError: if there is no such model, or not all of its weights; if it is quantised, reads ahead or is no causal
            language model; or if its tokenizer has no end of sequence or leaves embedding rows without a token.

    >>> policy, tokenizer = load_policy("sft")  # a folder, or the id of a model of the hub
    >>> tokenizer.eos_token_id == policy.config.eos_token_id
    True
    """
    model, tokenizer = load_causal(name, dtype)
    drop_rows_without_token(model, tokenizer, name)
    return model.to(device), tokenizer


def load_causal(
    name: str, dtype: torch.dtype = torch.float32
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """As `load_policy`, with all embedding rows that were saved."""
    model, tokenizer = load_model(POLICY, name, dtype), _tokenizer(POLICY, name)
    refuse_if_sees_ahead(model, name)
    ends = ends_of(model, tokenizer, name)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    model.config.eos_token_id = ends if len(ends) > 1 else ends[0]
    model.config.pad_token_id = tokenizer.pad_token_id
    return model, tokenizer


def load_classifier(
    name: str, dtype: torch.dtype = torch.float32, logit: str | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A sequence classifier and its tokenizer; `logit` says which of several logits is meant (default: the only one).

    Raises:
        UserError: if there is no such model, or not all of its weights; if it is quantised, or no classifier of texts; or
            as `which_logit`, before weights are read.
    """
    which_logit(name, config_of(CLASSIFIER, name), logit)
    return load_model(CLASSIFIER, name, dtype), _tokenizer(CLASSIFIER, name)


def _tokenizer(kind: Kind, name: str) -> PreTrainedTokenizerBase:
    source = tokenizer_source(kind, name)
    return loaded("a tokenizer beside the model", name, lambda: tokenizer_as_saved(source))


def encode(
    prompts: Sequence[str], tokenizer: PreTrainedTokenizerBase, *, most: int, chat: bool = False
) -> Prompts:
    """Prompts as the model expects them, padded on the left: with special tokens, or as the user's turn of a chat.

    Raises:
        UserError: if a prompt is empty or has more than `most` tokens (nothing is ever cut), or as `prompt_rows`.
    """
    rows = prompt_rows(prompts, tokenizer, chat=chat)
    for k, row in enumerate(rows):
        if not 0 < len(row) <= most:
            raise UserError(f"prompt {k + 1}: found {len(row)} tokens, expected 1 to {most}")
    ids = pad_rows(rows, tokenizer.pad_token_id, left=True)
    starts = torch.tensor([ids.shape[1] - len(row) for row in rows])
    return Prompts(ids, torch.arange(ids.shape[1]) >= starts[:, None])


def prompt_rows(prompts: Sequence[str], tokenizer: PreTrainedTokenizerBase, *, chat: bool) -> list[list[int]]:
    """Token ids of each prompt, not padded.

    Raises:
        UserError: if `chat` is asked of a tokenizer without a template, or as `prompt_tokens`.
    """
    if chat and not tokenizer.chat_template:
        raise UserError("chat: found a tokenizer without a chat template, expected one; leave it out")
    return [turn(prompt, tokenizer) if chat else prompt_tokens(prompt, tokenizer) for prompt in prompts]


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
