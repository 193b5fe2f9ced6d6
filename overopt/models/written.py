"""What a policy wrote, exactly: a completion is decoded behind its prompt, never alone.

Decoded alone, a completion loses what only shows behind other text: a tokenizer that marks words by the space before them
(Metaspace, WordPiece) drops that space from whatever it takes for the start of a text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from transformers import PreTrainedTokenizerBase

from overopt.models.pretrained import Scorer
from overopt.models.samples import Samples
from overopt.models.turns import lead_of
from overopt.util.errors import UserError


@dataclass(frozen=True)
class Written:
    """Texts of samples, in their order; `ended`: whether the policy ended its completion, not the limit."""

    prompts: list[str]
    completions: list[str]
    ended: list[bool]

    def __len__(self) -> int:
        return len(self.completions)


@runtime_checkable
class Reader(Protocol):
    """A `Scorer` that reads a finished completion otherwise than one that was cut, and shows how it reads."""

    def score_written(self, written: Written) -> Sequence[float]:
        """One number a completion."""

    def example(self, written: Written) -> str:
        """How it reads, in words, and one of the texts as it reads it."""


def scores_of(scorer: Scorer, written: Written) -> Sequence[float]:
    """What `scorer` says of each completion; a `Reader` is told which of them ended."""
    if isinstance(scorer, Reader):
        return scorer.score_written(written)
    return scorer.score(written.prompts, written.completions)


def written(
    samples: Samples, prompts: Sequence[str], tokenizer: PreTrainedTokenizerBase, *, chat: bool = False
) -> Written:
    """What a policy wrote behind `prompts`, the texts that were asked, one a sample.

    Prompt and completion joined are the text of all tokens, character by character, but for special tokens, which are left
    out. Where a tokenizer drops the white space that a prompt ends with, so does this. With `chat`, prompts are a user's
    turn, and what the template itself writes before an answer is no part of it.

    Args:
        samples: from a policy, EOS included where it ended.
        prompts: as they were encoded.
        tokenizer: the policy's.
        chat: whether prompts were encoded as turns of a chat.

    Raises:
        UserError: if what a completion adds to its prompt cannot be told from the text of both.

    >>> import overopt
    >>> from overopt.models.pretrained import encode
    >>> from overopt.models.sampling import sample_many
    >>> from overopt.models.seeding import generator
    >>> policy, tokenizer = overopt.load_policy("sft")
    >>> asked = encode(["The film"], tokenizer, most=20)
    >>> texts = written(sample_many(policy, asked, 3, 8, generator=generator(0, "x")), ["The film"] * 3, tokenizer)
    >>> texts.prompts[0], len(texts.completions), len(texts.ended)
    ('The film', 3, 3)
    """
    ended = samples.ended(tokenizer.eos_token_id).tolist()
    rows = [row[:-1] if over else row for row, over in zip(samples.rows(), ended, strict=True)]
    lengths = samples.prompts.mask.sum(-1).tolist()
    heads = _decoded([row[:length] for row, length in zip(rows, lengths, strict=True)], tokenizer)
    wholes = _decoded(rows, tokenizer)
    alone = _decoded([row[length:] for row, length in zip(rows, lengths, strict=True)], tokenizer)
    completions = [_behind(*texts) for texts in zip(heads, wholes, alone, strict=True)]
    if chat:
        lead = lead_of(tokenizer)
        return Written(list(prompts), [text.removeprefix(lead) for text in completions], ended)
    kept = [
        prompt if not prompt[-1:].isspace() or head[-1:].isspace() else prompt.rstrip()
        for prompt, head in zip(prompts, heads, strict=True)
    ]
    return Written(kept, completions, ended)


def _behind(head: str, whole: str, alone: str) -> str:
    """What stands in `whole` behind `head`.

    Only a stray byte behind the last character of a prompt may change how that character is decoded: then the completion
    begins with no word, and decoded alone it loses nothing.
    """
    if whole.startswith(head):
        return whole[len(head) :]
    if alone.startswith("\ufffd") and whole.endswith(alone):
        return alone
    raise UserError(
        f"completion {alone!r}: found {whole!r} as the text of it behind its prompt, expected one that begins with "
        f"the prompt's, {head!r}"
    )


def _decoded(rows: list[list[int]], tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Texts of token rows; no spaces are tidied, whatever the tokenizer would do by itself."""
    options: dict[str, Any] = {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
    texts: list[str] = tokenizer.batch_decode(rows, **options)
    return texts
