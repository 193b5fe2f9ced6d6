"""The other half of gold: a classifier that tells real text from spoilt text."""

from collections.abc import Callable, Mapping

import torch
from torch.nn import functional as F
from transformers import PreTrainedModel

from overopt.precision import mixed_precision
from overopt.reward import Rows, score_lists
from overopt.training.optim import adamw, check_finite, descend, set_learning_rate, warmup_cosine


def train_fluency_model(
    model: PreTrainedModel,
    spoilt: Mapping[str, tuple[Rows, Rows]],
    *,
    steps: int,
    batch: int,
    learning_rate: float,
    embedding_gain: float,
    generator: torch.Generator,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Train `model` in place on `batch` real texts and as many spoilt ones a step.

    `spoilt[kind]` holds (real, spoilt) rows of equal count; kinds share a batch equally. The score is the log-odds
    of real text: the loss is the classifier's cross-entropy.

    Raises:
        Diverged: if the loss is no longer finite.
    """
    optimiser = adamw(model, learning_rate, weight_decay=0.01, embedding_gain=embedding_gain)
    kinds = list(spoilt)
    model.train()
    for step in range(steps):
        set_learning_rate(optimiser, learning_rate * warmup_cosine(step, steps))
        real_rows, spoilt_rows = [], []
        for k in range(batch):
            real, bad = spoilt[kinds[k % len(kinds)]]
            i = int(torch.randint(len(real), (1,), generator=generator))
            real_rows.append(real[i])
            spoilt_rows.append(bad[i])
        with mixed_precision(model):
            scores = score_lists(model, real_rows + spoilt_rows)
        loss = F.softplus(-scores[:batch]).mean() + F.softplus(scores[batch:]).mean()
        check_finite(loss.item(), "fluency model: loss", step)
        descend(loss, model, optimiser)
        progress(step + 1, steps)
    model.eval()
