"""Half of gold: a reward model of human ratings."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel

from overopt.engine.checkpoint import Checkpoint
from overopt.models.precision import mixed_precision
from overopt.rewards.scoring import Rows, score_lists
from overopt.training.optim import batches, minimise


@dataclass(frozen=True)
class Rated:
    """Token rows with the mean and SD of their human ratings (-4 to +4)."""

    rows: Rows
    mean: Float[Tensor, " texts"]
    sd: Float[Tensor, " texts"]


def preference(mean: Float[Tensor, " texts"], sd: Float[Tensor, " texts"]) -> Float[Tensor, "texts texts"]:
    """Probability that one random rater's rating of text i exceeds another's of text j, ratings taken as normal."""
    # Raters use whole numbers: each rating carries the variance 1/12 of rounding.
    variance = sd**2 + 1 / 12
    z = (mean[:, None] - mean[None]) / (variance[:, None] + variance[None]).sqrt()
    return torch.special.ndtr(z)


def train_rating_model(
    model: PreTrainedModel,
    rated: Rated,
    *,
    steps: int,
    batch: int,
    learning_rate: float,
    embedding_gain: float,
    generator: torch.Generator,
    progress: Callable[[int, int], None] = lambda done, total: None,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Train `model` in place. Each step takes `batch` rated texts and all their pairs.

    Loss: cross-entropy of sigmoid(score_i - score_j) against `preference`.

    Raises:
        Diverged: if the loss is no longer finite.
    """
    upper = torch.triu_indices(batch, batch, 1)

    def loss(chosen: list[int]) -> Tensor:
        with mixed_precision(model):
            scores = score_lists(model, [rated.rows[i] for i in chosen])
        differences = (scores[:, None] - scores[None])[upper[0], upper[1]]
        target = preference(rated.mean[chosen], rated.sd[chosen]).to(scores.device)[upper[0], upper[1]]
        return F.binary_cross_entropy_with_logits(differences, target)

    minimise(
        model,
        batches(list(map(len, rated.rows)), batch, steps, generator),
        loss,
        what="rating model",
        steps=steps,
        learning_rate=learning_rate,
        embedding_gain=embedding_gain,
        progress=progress,
        checkpoint=checkpoint,
    )
