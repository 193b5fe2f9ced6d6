"""Pairwise training of a reward model, one pass over labelled pairs."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel

from overopt.engine.checkpoint import Checkpoint
from overopt.models.fast.packing import Layout
from overopt.models.precision import mixed_precision
from overopt.models.samples import Samples, concatenate
from overopt.rewards.scoring import score, score_rows
from overopt.training.optim import batches, minimise
from overopt.util import processes

NARROW = 48  # width below which casts to bfloat16 take longer than its products save


def train_reward_model(
    model: PreTrainedModel,
    first: Samples,
    second: Samples,
    first_wins: Bool[Tensor, " pairs"],
    *,
    batch: int,
    epochs: int,
    learning_rate: float,
    embedding_gain: float,
    generator: torch.Generator,
    progress: Callable[[int, int], None] = lambda done, total: None,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Train `model` in place, `epochs` times over the pairs, with the loss -log sigmoid(score of winner - of loser).

    `first[i]` and `second[i]` share a prompt; pairs of about equal length share a batch.

    Raises:
        Diverged: if the loss is no longer finite.
        ValueError: if there are fewer pairs than one batch.
    """
    steps = epochs * (len(first) // batch)
    lengths = torch.maximum(first.lengths, second.lengths).tolist()
    sign = first_wins.float() * 2 - 1

    def loss(chosen: list[int]) -> Tensor:
        mine = processes.dealt(torch.tensor(chosen))
        with mixed_precision(model, least_width=NARROW):
            margin = pair_margin(model, first[mine], second[mine])
        mean = F.softplus(-sign[mine].to(margin.device) * margin).mean()
        return mean * processes.weight(len(mine), len(chosen))

    minimise(
        model,
        batches(lengths, batch, steps, generator),
        loss,
        what="reward model",
        steps=steps,
        learning_rate=learning_rate,
        embedding_gain=embedding_gain,
        progress=progress,
        checkpoint=checkpoint,
    )


@torch.inference_mode()
def pair_margins(
    model: PreTrainedModel, first: Samples, second: Samples, *, batch: int = 512
) -> Float[Tensor, " pairs"]:
    """Raw score of each first text less that of its second, on the CPU."""
    return score(model, first, batch=batch) - score(model, second, batch=batch)


def pair_margin(model: PreTrainedModel, first: Samples, second: Samples) -> Tensor:
    """Raw score of each first text less that of its second, gradients kept: [pairs]."""
    # one pass over both: for small models the number of operations is what costs; side by side, to share their prompt
    side_by_side = torch.arange(2 * len(first)).view(2, -1).T.flatten()
    both = concatenate([first, second])[side_by_side]
    ids, lengths = (part.to(model.device) for part in both.shifted_left())
    scores = score_rows(model, ids, Layout.sharing(ids, lengths)).view(-1, 2)
    return scores[:, 0] - scores[:, 1]
