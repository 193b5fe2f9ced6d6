"""Prompts and completions, with one layout for every sequence.

Prompts are padded on the left and completions on the right, so that position P is the first completion
token of every row:

    prompt      [pad pad t  t  t ]   [B, P]
    completion  [t   t   EOS pad ]   [B, C]

A completion ends with EOS, which counts as one of its tokens, or at C tokens without one.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Int
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from overopt.models.build import token_ids


@dataclass(frozen=True)
class Prompts:
    """Token ids [B, P], padded on the left; `mask` is True on tokens."""

    ids: Int[Tensor, "batch prompt"]
    mask: Bool[Tensor, "batch prompt"]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: Any) -> "Prompts":
        return Prompts(self.ids[rows], self.mask[rows])

    def to(self, device: torch.device | str) -> "Prompts":
        """The same prompts on another device."""
        return Prompts(self.ids.to(device), self.mask.to(device))

    def distinct(self) -> tuple["Prompts", Int[Tensor, " batch"]]:
        """Each different prompt once, and which of them stands in each row."""
        both = torch.cat([self.ids, self.mask.long()], 1)
        distinct, which = torch.unique(both, dim=0, return_inverse=True)
        ids, mask = distinct.chunk(2, dim=1)
        return Prompts(ids.contiguous(), mask.bool()), which


@dataclass(frozen=True)
class Samples:
    """Prompts with one completion each; `mask` [B, C] is True on completion tokens, EOS included."""

    prompts: Prompts
    ids: Int[Tensor, "batch completion"]
    mask: Bool[Tensor, "batch completion"]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: Any) -> "Samples":
        return Samples(self.prompts[rows], self.ids[rows], self.mask[rows])

    def to(self, device: torch.device | str) -> "Samples":
        """The same samples on another device."""
        return Samples(self.prompts.to(device), self.ids.to(device), self.mask.to(device))

    @property
    def lengths(self) -> Int[Tensor, " batch"]:
        """Completion tokens a sample, EOS included."""
        return self.mask.sum(-1)

    def ended(self, eos: int) -> Bool[Tensor, " batch"]:
        """Whether each completion ends with `eos`, not at the length limit."""
        return self.ids.gather(1, self.lengths[:, None] - 1)[:, 0] == eos

    def sequence(self) -> tuple[Int[Tensor, "batch length"], Bool[Tensor, "batch length"]]:
        """Prompt and completion as one row of ids, and its mask, padding on both sides kept."""
        return torch.cat([self.prompts.ids, self.ids], 1), torch.cat([self.prompts.mask, self.mask], 1)

    def shifted_left(self) -> tuple[Int[Tensor, "batch length"], Int[Tensor, " batch"]]:
        """Prompt and completion as one row that starts at column 0, padded on the right, and its length.

        A causal model needs no attention mask for such rows. Columns that pad every row are cut.
        """
        ids, mask = self.sequence()
        lengths = mask.sum(-1)
        start = (~self.prompts.mask).sum(-1)
        columns = torch.arange(int(lengths.max()), device=ids.device)
        source = (start[:, None] + columns).clamp_max(ids.shape[1] - 1)
        inside = columns < lengths[:, None]
        return ids.gather(1, source).where(inside, 0), lengths

    def rows(self) -> list[list[int]]:
        """Prompt and completion of each sample as token ids, without padding."""
        ids, lengths = self.shifted_left()
        return [row[:length] for row, length in zip(ids.tolist(), lengths.tolist(), strict=True)]

    def save(self, path: Path) -> None:
        """Write as safetensors: 2 bytes a token (4 where the vocabulary needs them), each distinct prompt once."""
        distinct, which = self.prompts.distinct()
        small = max(int(distinct.ids.max()), int(self.ids.max())) < 2**16
        kind = torch.uint16 if small else torch.int32
        tensors = {
            "prompt_ids": distinct.ids.to(kind),
            "prompt_lengths": distinct.mask.sum(-1).int(),
            "prompt": which.int(),
            "ids": self.ids.to(kind),
            "lengths": self.lengths.int(),
        }
        save_file(tensors, path)

    @staticmethod
    def load(path: Path) -> "Samples":
        """What `save` wrote."""
        kept = load_file(path)
        prompt_ids, ids = kept["prompt_ids"].long(), kept["ids"].long()
        start = prompt_ids.shape[1] - kept["prompt_lengths"]
        prompts = Prompts(prompt_ids, torch.arange(prompt_ids.shape[1]) >= start[:, None])
        return Samples(
            prompts[kept["prompt"].long()], ids, torch.arange(ids.shape[1]) < kept["lengths"][:, None]
        )


def encode_prompts(texts: list[str], tokenizer: PreTrainedTokenizerFast) -> Prompts:
    """BOS and the tokens of each text, padded on the left to the longest."""
    rows = [[tokenizer.bos_token_id, *row] for row in token_ids(tokenizer, texts)]
    ids = pad_rows(rows, tokenizer.pad_token_id, left=True)
    longest = ids.shape[1]
    mask = torch.tensor([[k >= longest - len(row) for k in range(longest)] for row in rows])
    return Prompts(ids, mask)


def split_rows(rows: list[list[int]], heads: list[int], tokenizer: PreTrainedTokenizerFast) -> Samples:
    """Token rows, BOS first, as samples: the first `heads[i]` tokens of row i are its prompt."""
    pad = tokenizer.pad_token_id
    starts = [row[:head] for row, head in zip(rows, heads, strict=True)]
    ends = [row[head:] for row, head in zip(rows, heads, strict=True)]
    prompts, completions = pad_rows(starts, pad, left=True), pad_rows(ends, pad, left=False)
    first = prompts.shape[1] - torch.tensor(heads)
    lengths = torch.tensor(list(map(len, ends)))
    asked = Prompts(prompts, torch.arange(prompts.shape[1]) >= first[:, None])
    return Samples(asked, completions, torch.arange(completions.shape[1]) < lengths[:, None])


def pad_rows(rows: list[list[int]], pad: int, *, left: bool) -> Int[Tensor, "rows longest"]:
    """Rows of token ids as one tensor, padded on one side to the longest."""
    longest = max(map(len, rows))
    return torch.tensor(
        [
            [pad] * (longest - len(row)) * left + row + [pad] * (longest - len(row)) * (not left)
            for row in rows
        ]
    )


def decode(ids: Int[Tensor, "batch completion"], tokenizer: PreTrainedTokenizerFast) -> list[str]:
    """Texts of completions, special tokens left out."""
    return tokenizer.batch_decode(ids, skip_special_tokens=True)


def concatenate(parts: list[Samples]) -> Samples:
    """Samples with prompts and completions of equal padded width, one after another."""
    prompts = Prompts(torch.cat([p.prompts.ids for p in parts]), torch.cat([p.prompts.mask for p in parts]))
    return Samples(prompts, torch.cat([p.ids for p in parts]), torch.cat([p.mask for p in parts]))
