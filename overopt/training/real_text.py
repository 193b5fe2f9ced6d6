"""A part of gold's gate: a classifier that tells real text from its own corruption."""

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel

from overopt.engine.checkpoint import Checkpoint
from overopt.models.precision import mixed_precision
from overopt.rewards.scoring import Rows, score_lists
from overopt.training.optim import minimise


def train_real_text(
    model: PreTrainedModel,
    spoilt: Mapping[str, tuple[Rows, Rows]],
    *,
    steps: int,
    batch: int,
    learning_rate: float,
    embedding_gain: float,
    generator: torch.Generator,
    progress: Callable[[int, int], None] = lambda done, total: None,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Train `model` in place on `batch` real texts and as many spoilt ones a step.

    `spoilt[kind]` holds (real, spoilt) rows of equal count; kinds share a batch equally. The score is the log-odds
    of real text: the loss is the classifier's cross-entropy.

    Raises:
        Diverged: if the loss is no longer finite.
    """
    kinds = list(spoilt)

    def draws() -> Iterator[tuple[Rows, Rows]]:
        for _ in range(steps):
            real_rows, spoilt_rows = [], []
            for k in range(batch):
                real, bad = spoilt[kinds[k % len(kinds)]]
                i = int(torch.randint(len(real), (1,), generator=generator))
                real_rows.append(real[i])
                spoilt_rows.append(bad[i])
            yield real_rows, spoilt_rows

    def loss(drawn: tuple[Rows, Rows]) -> Tensor:
        real_rows, spoilt_rows = drawn
        with mixed_precision(model):
            # side by side, to share their prompt
            side_by_side = [row for pair in zip(real_rows, spoilt_rows, strict=True) for row in pair]
            real, bad = score_lists(model, side_by_side).view(batch, 2).T
        return F.softplus(-real).mean() + F.softplus(bad).mean()

    minimise(
        model,
        draws(),
        loss,
        what="classifier of real text",
        steps=steps,
        learning_rate=learning_rate,
        embedding_gain=embedding_gain,
        progress=progress,
        checkpoint=checkpoint,
    )
