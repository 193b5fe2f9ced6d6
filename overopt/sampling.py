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
        """Write ids and masks as safetensors."""
        tensors = {"prompt_ids": self.prompts.ids.int(), "prompt_mask": self.prompts.mask}
        save_file(tensors | {"ids": self.ids.int(), "mask": self.mask}, path)

    @staticmethod
    def load(path: Path) -> "Samples":
        """What `save` wrote."""
        kept = load_file(path)
        return Samples(
            Prompts(kept["prompt_ids"].long(), kept["prompt_mask"]), kept["ids"].long(), kept["mask"]
        )


def encode_prompts(texts: list[str], tokenizer: PreTrainedTokenizerFast) -> Prompts:
    """BOS and the tokens of each text, padded on the left to the longest."""
    rows = [[tokenizer.bos_token_id, *row] for row in tokenizer(texts, add_special_tokens=False)["input_ids"]]
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


def forward_inputs(ids: Int[Tensor, "batch length"], mask: Bool[Tensor, "batch length"]) -> dict[str, Tensor]:
    """Keyword arguments for a transformers decoder: ids, positions counted from the first token, and a mask.

    Padding on the right needs no mask: a causal model cannot look there. Without padding on the left the
    mask is left out, which lets attention take its faster causal path. Positions run on over padding on the
    right: transformers takes repeated ones for several sequences in a row, and builds a mask after all.
    """
    first = mask.long().argmax(-1, keepdim=True)
    columns = torch.arange(ids.shape[1], device=ids.device)
    inputs = {"input_ids": ids, "position_ids": (columns - first).clamp_min(0)}
    if not bool(mask[:, 0].all()):
        inputs["attention_mask"] = mask.long()
    return inputs


@torch.inference_mode()
def sample(
    model: PreTrainedModel,
    prompts: Prompts,
    uniforms: Float[Tensor, "batch completion"],
    *,
    eos: int,
    pad: int,
) -> Samples:
    """One completion a prompt at temperature 1, at most `uniforms.shape[1]` tokens.

    Token t of row i is the inverse of the model's cumulative distribution at `uniforms[i, t]`: the draw of a
    row does not depend on which rows share its batch.
    """
    device = prompts.ids.device
    rows, limit = uniforms.shape
    uniforms = uniforms.to(device)
    completion = torch.full((rows, limit), pad, device=device)
    alive = torch.arange(rows, device=device)  # rows that have not ended, by position in the batch
    mask = prompts.mask
    output = model(**forward_inputs(prompts.ids, mask), use_cache=True, logits_to_keep=1)
    padded_left = not bool(mask[:, 0].all())
    for t in range(limit):
        cumulative = output.logits[:, -1].float().softmax(-1).cumsum(-1)  # [alive, vocabulary]
        draw = uniforms[alive, t, None] * cumulative[:, -1:]
        token = torch.searchsorted(cumulative, draw, right=True).clamp_max(cumulative.shape[-1] - 1)[:, 0]
        completion[alive, t] = token
        keep = token != eos
        if t + 1 == limit or not bool(keep.any()):
            break
        cache = output.past_key_values
        # Ended rows leave the batch once they are an eighth of it: less often costs wasted work, more often copies.
        if keep.sum() < 0.875 * len(keep):
            cache.batch_select_indices(keep.nonzero()[:, 0])
            alive, token, mask = alive[keep], token[keep], mask[keep]
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], 1)
        inputs = {"input_ids": token[:, None], "position_ids": mask.sum(-1, keepdim=True) - 1}
        if padded_left:
            inputs["attention_mask"] = mask.long()
        output = model(**inputs, past_key_values=cache, use_cache=True)
    ended = (completion == eos).long().cumsum(-1)
    inside = (ended - (completion == eos).long()) == 0  # up to and including the first EOS
    return Samples(prompts, completion.masked_fill(~inside, pad), inside)


def token_logits(model: PreTrainedModel, samples: Samples) -> Float[Tensor, "tokens vocabulary"]:
    """Logits that predict each completion token, row after row, padding left out: `samples.ids[samples.mask]`.

    The vocabulary is the widest thing here: no logits are made for prompts and padding.
    """
    ids, mask = samples.sequence()
    width = samples.ids.shape[1]
    # The last completion token predicts nothing that we need.
    inputs = forward_inputs(ids[:, :-1], mask[:, :-1])
    hidden = model.base_model(**inputs, use_cache=False).last_hidden_state[:, -width:]
    return model.get_output_embeddings()(hidden[samples.mask]).float()


def token_log_probs(model: PreTrainedModel, samples: Samples) -> Float[Tensor, "batch completion"]:
    """Log-probability of each completion token, nats; 0 on padding. Gradients are kept."""
    picked = log_probs_of(token_logits(model, samples), samples.ids[samples.mask])
    return picked.new_zeros(samples.mask.shape).masked_scatter(samples.mask, picked)


def log_probs_of(
    logits: Float[Tensor, "*batch vocabulary"], ids: Int[Tensor, "*batch"]
) -> Float[Tensor, "*batch"]:
    """Log-probability of each token, nats."""
    return logits.gather(-1, ids[..., None])[..., 0] - logits.logsumexp(-1)


def exact_kl(
    log_policy: Float[Tensor, "*batch vocabulary"], log_reference: Float[Tensor, "*batch vocabulary"]
) -> Float[Tensor, "*batch"]:
    """KL(policy || reference) of the next token, nats, from log-probabilities over the vocabulary.

    Summed over a sample's tokens and averaged over samples of the policy, it is an unbiased estimate of the
    KL between the two distributions over completions, with less variance than log-ratios (Rao-Blackwell).
    """
    return (log_policy.exp() * (log_policy - log_reference)).sum(-1)


@torch.inference_mode()
def sample_kl(
    policy: PreTrainedModel, reference: PreTrainedModel, samples: Samples, *, batch: int = 64
) -> Float[Tensor, "samples three"]:
    """Per sample, in nats over its completion tokens: exact KL, and its estimators k1 and k3.

    k1 = log(pi/pi0) of the sampled tokens; k3 = sum of (pi0/pi - 1 - log(pi0/pi)) (Schulman 2020).
    """
    found = []
    for rows in torch.arange(len(samples)).split(batch):
        part = samples[rows].to(policy.device)
        policy_logs, reference_logs = (token_logits(m, part).log_softmax(-1) for m in (policy, reference))
        token = part.ids[part.mask][:, None]
        log_ratio = (policy_logs.gather(-1, token) - reference_logs.gather(-1, token))[:, 0]
        kinds = [exact_kl(policy_logs, reference_logs), log_ratio, torch.expm1(-log_ratio) + log_ratio]
        row = part.mask.nonzero()[:, 0]
        sums = torch.zeros(len(part), 3, device=policy.device).index_add_(0, row, torch.stack(kinds, -1))
        found.append(sums.cpu())
    return torch.cat(found)


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
    for chosen in torch.arange(len(rows)).split(batch):
        part = prompts[rows[chosen]].to(model.device)
        eos, pad = model.config.eos_token_id, model.config.pad_token_id
        parts.append(sample(model, part, uniforms[chosen], eos=eos, pad=pad).to("cpu"))
        progress(int(chosen[-1]) + 1, len(rows))
    return concatenate(parts)


def concatenate(parts: list[Samples]) -> Samples:
    """Samples with prompts and completions of equal padded width, one after another."""
    prompts = Prompts(torch.cat([p.prompts.ids for p in parts]), torch.cat([p.prompts.mask for p in parts]))
    return Samples(prompts, torch.cat([p.ids for p in parts]), torch.cat([p.mask for p in parts]))
