"""What a policy says of completions: their log-probabilities, and its exact KL from another policy."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedModel

from overopt.models.fast.last_block import states_of
from overopt.models.fast.next_token import log_probs_after, next_token_kl
from overopt.models.fast.packing import Layout, rows_at_once
from overopt.models.fast.reading import read_rows
from overopt.models.samples import Samples
from overopt.util import processes


@dataclass(frozen=True)
class KL:
    """KL of a policy from a reference by three estimators, nats: of each sample, summed over its completion tokens.

    exact: over the vocabulary at each position; k1: log(pi/pi0) of the sampled tokens; k3: pi0/pi - 1 - log(pi0/pi) of the
    sampled tokens (Schulman 2020). Means over the policy's samples estimate KL(pi || pi0) without bias, all three.
    """

    exact: Float[Tensor, " samples"]
    k1: Float[Tensor, " samples"]
    k3: Float[Tensor, " samples"]


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
def total_log_probs(
    model: PreTrainedModel, samples: Samples, *, batch: int = 256
) -> Float[Tensor, " samples"]:
    """Log-probability of each completion, nats, summed over its tokens, on the CPU; `batch` changes no result.

    What several samples begin with is read once, completions' beginnings included.
    """
    ids, lengths = samples.shifted_left()
    heads = samples.prompts.mask.sum(-1)

    def read(rows: Int[Tensor, " part"]) -> Float[Tensor, " part"]:
        parts = (ids[rows], lengths[rows], heads[rows])
        return _totals(model, *(part.to(model.device) for part in parts))

    return read_rows(ids, lengths, read, device=model.device, batch=batch)


def summed_log_probs(model: PreTrainedModel, samples: Samples) -> Float[Tensor, " batch"]:
    """Log-probability of each completion, nats, summed over its tokens. Gradients are kept.

    What a row begins with as the one before it does is read once.
    """
    ids, lengths = samples.shifted_left()
    return _totals(model, ids, lengths, samples.prompts.mask.sum(-1))


def _totals(
    model: PreTrainedModel,
    ids: Int[Tensor, "rows columns"],
    lengths: Int[Tensor, " rows"],
    heads: Int[Tensor, " rows"],
) -> Float[Tensor, " rows"]:
    """Summed log-probability of the tokens of each row after its first `heads`."""
    ids = ids[:, : int(lengths.max())]
    layout = Layout.sharing(ids, lengths)
    completed = layout.inside & (torch.arange(ids.shape[1], device=ids.device) >= heads[:, None])
    # each token of a completion once, however many rows have it in common
    needed, which = layout.tokens(completed).unique(return_inverse=True)
    cells = layout.where[needed]
    before = torch.zeros_like(ids, dtype=torch.bool).flatten()
    before[cells - 1] = True  # a token is predicted at the one before it
    states = states_of(model, ids, layout, before.view(ids.shape))
    picked = log_probs_after(model.get_output_embeddings(), states, ids.flatten()[cells])
    return picked.new_zeros(len(ids)).index_add(0, completed.nonzero()[:, 0], picked[which])


@torch.inference_mode()
def sample_kl(
    policy: PreTrainedModel,
    reference: PreTrainedModel,
    samples: Samples,
    *,
    batch: int = 256,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> KL:
    """KL of `policy` from `reference` on each sample, on the CPU; `batch` changes no result."""
    parts = []
    for rows in processes.dealt(torch.arange(len(samples))).split(rows_at_once(policy.device, batch)):
        part = samples[rows].to(policy.device)
        of_policy, of_reference = (
            (model.get_output_embeddings(), states_before(model, part)) for model in (policy, reference)
        )
        exact, log_ratio = next_token_kl(of_policy, of_reference, part.ids[part.mask])
        of_tokens = torch.stack([exact, log_ratio, torch.expm1(-log_ratio) + log_ratio], -1)
        row = part.mask.nonzero()[:, 0]
        parts.append(torch.zeros(len(part), 3, device=policy.device).index_add_(0, row, of_tokens).cpu())
        progress(int(rows[-1]) + 1, len(samples))
    return KL(*processes.gathered(torch.cat(parts), len(samples)).unbind(-1))
