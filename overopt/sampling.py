"""Sampling, log-probabilities and exact KL, with one layout for every sequence.

Prompts are padded on the left and completions on the right, so that position P is the first completion
token of every row:

    prompt      [pad pad t  t  t ]   [B, P]
    completion  [t   t   EOS pad ]   [B, C]

A completion ends with EOS, which counts as one of its tokens, or at C tokens without one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from overopt import together
from overopt.decoding import Decoder, decoder
from overopt.drawing import draw_tokens
from overopt.final_states import states_of
from overopt.models import token_ids
from overopt.next_token import log_probs_after, next_token_kl
from overopt.packing import Layout, rows_at_once


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
        found, which = torch.unique(both, dim=0, return_inverse=True)
        ids, mask = found.chunk(2, dim=1)
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


@torch.inference_mode()
def sample(
    model: PreTrainedModel,
    prompts: Prompts,
    uniforms: Float[Tensor, "batch completion"],
    *,
    eos: int,
    pad: int,
) -> tuple[Samples, Float[Tensor, "batch completion"]]:
    """One completion a prompt at temperature 1, at most `uniforms.shape[1]` tokens.

    Beside the completions, the log-probability of each of their tokens, nats; 0 on padding.

    Token t of row i is the inverse of the model's cumulative distribution at `uniforms[i, t]`: the draw of a
    row does not depend on which rows share its batch.
    """
    device = prompts.ids.device
    rows, limit = uniforms.shape
    uniforms = uniforms.to(device)
    completion = torch.full((rows, limit), pad, device=device)
    log_probs = torch.zeros(rows, limit, device=device)
    alive = torch.arange(rows, device=device)  # rows that have not ended, by position in the batch
    reader = decoder(model, limit)
    logits = _read_prompts(reader, prompts)
    for t in range(limit):
        probabilities = logits.softmax(-1)
        token = draw_tokens(probabilities, uniforms[alive, t])
        log_probs[alive, t] = probabilities.gather(-1, token[:, None])[:, 0].log()
        completion[alive, t] = token
        keep = token != eos
        if t + 1 == limit or not bool(keep.any()):
            break
        # Ended rows leave the batch once they are an eighth of it: less often costs wasted work, more often copies.
        if keep.sum() < 0.875 * len(keep):
            reader.keep(keep.nonzero()[:, 0])
            alive, token = alive[keep], token[keep]
        logits = reader.step(token)
    ended = (completion == eos).long().cumsum(-1)
    inside = (ended - (completion == eos).long()) == 0  # up to and including the first EOS
    return Samples(prompts, completion.masked_fill(~inside, pad), inside), log_probs * inside


def _read_prompts(reader: Decoder, prompts: Prompts) -> Float[Tensor, "batch vocabulary"]:
    """Logits after each prompt; a prompt that several rows share is read once."""
    distinct, which = prompts.distinct()
    if len(distinct) == len(prompts):
        return reader.prompt(prompts.ids, prompts.mask)
    logits = reader.prompt(distinct.ids, distinct.mask)
    reader.keep(which)
    return logits[which]


def states_before(model: PreTrainedModel, samples: Samples) -> Float[Tensor, "tokens width"]:
    """Hidden state before each completion token, row after row, in the order of `samples.ids[samples.mask]`."""
    ids, lengths = samples.shifted_left()
    layout = Layout.of(lengths - 1)  # after the last token there is nothing to predict
    columns = torch.arange(layout.inside.shape[1], device=ids.device)
    last_of_prompt = samples.prompts.mask.sum(-1, keepdim=True) - 1
    return states_of(model, ids[:, : len(columns)], layout, layout.inside & (columns >= last_of_prompt))


def token_log_probs(model: PreTrainedModel, samples: Samples) -> Float[Tensor, "batch completion"]:
    """Log-probability of each completion token, nats; 0 on padding. Gradients are kept."""
    head, ids = model.get_output_embeddings(), samples.ids[samples.mask]
    # the vocabulary is the widest thing here: no logits are made for prompts and padding
    picked = log_probs_after(head, states_before(model, samples), ids)
    return picked.new_zeros(samples.mask.shape).masked_scatter(samples.mask, picked)


@torch.inference_mode()
def sample_kl(
    policy: PreTrainedModel, reference: PreTrainedModel, samples: Samples, *, batch: int = 256
) -> Float[Tensor, "samples three"]:
    """Per sample, in nats over its completion tokens: exact KL, and its estimators k1 and k3.

    k1 = log(pi/pi0) of the sampled tokens; k3 = sum of (pi0/pi - 1 - log(pi0/pi)) (Schulman 2020).
    """
    found = []
    for rows in together.dealt(torch.arange(len(samples))).split(rows_at_once(policy.device, batch)):
        part = samples[rows].to(policy.device)
        of_policy, of_reference = (
            (model.get_output_embeddings(), states_before(model, part)) for model in (policy, reference)
        )
        exact, log_ratio = next_token_kl(of_policy, of_reference, part.ids[part.mask])
        kinds = [exact, log_ratio, torch.expm1(-log_ratio) + log_ratio]
        row = part.mask.nonzero()[:, 0]
        sums = torch.zeros(len(part), 3, device=policy.device).index_add_(0, row, torch.stack(kinds, -1))
        found.append(sums.cpu())
    return together.gathered(torch.cat(found), len(samples))


def sample_many(
    model: PreTrainedModel,
    prompts: Prompts,
    per_prompt: int,
    completion_tokens: int,
    *,
    generator: torch.Generator,
    batch: int = 256,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Samples:
    """`per_prompt` completions of each prompt, on the CPU, those of one prompt in a row.

    All random numbers are drawn before the first batch: the result does not depend on `batch`.
    """
    rows = torch.arange(len(prompts)).repeat_interleave(per_prompt)
    uniforms = torch.rand(len(rows), completion_tokens, generator=generator)
    parts = []
    for chosen in together.dealt(torch.arange(len(rows))).split(batch):
        part = prompts[rows[chosen]].to(model.device)
        eos, pad = model.config.eos_token_id, model.config.pad_token_id
        parts.append(sample(model, part, uniforms[chosen], eos=eos, pad=pad)[0].to("cpu"))
        progress(int(chosen[-1]) + 1, len(rows))
    return gathered_samples(concatenate(parts), prompts[rows])


def gathered_samples(part: Samples, prompts: Prompts) -> Samples:
    """Completions of `prompts` that were dealt to several processes, all of them: see `overopt.together`."""
    if together.size() == 1:
        return part
    ids, mask = (together.gathered(table, len(prompts)) for table in (part.ids, part.mask))
    return Samples(prompts, ids, mask)


def concatenate(parts: list[Samples]) -> Samples:
    """Samples with prompts and completions of equal padded width, one after another."""
    prompts = Prompts(torch.cat([p.prompts.ids for p in parts]), torch.cat([p.prompts.mask for p in parts]))
    return Samples(prompts, torch.cat([p.ids for p in parts]), torch.cat([p.mask for p in parts]))
