"""The gold reward model: human ratings, and real text against spoilt text.

The ratings alone are not enough: a policy that leaves real text behind finds loops of praise that such a model
likes, and gold would rise again where it should fall. So gold also learns, with a bounded margin, that a real
continuation beats a spoilt one (departure from the paper, whose gold model is trained on human comparisons of
whole answers).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel

from overopt.reward import score_rows
from overopt.sampling import pad_rows
from overopt.training.optim import adamw, batches, check_finite, descend, set_learning_rate, warmup_cosine

Rows = list[list[int]]


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


def train_gold(
    model: PreTrainedModel,
    rated: Rated,
    spoilt: Mapping[str, tuple[Rows, Rows]],
    *,
    steps: int,
    batch: int,
    learning_rate: float,
    embedding_gain: float,
    spoilt_weight: float,
    margin: float,
    generator: torch.Generator,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Train `model` in place. Each step takes `batch` rated texts, all their pairs, and `batch // 4` real and
    as many spoilt texts, all pairs again.

    Loss: cross-entropy of sigmoid(score_i - score_j) against `preference` over all pairs of the rated batch, plus
    `spoilt_weight` times the hinge max(0, margin - (real - spoilt)). `spoilt[kind]` holds (real, spoilt) rows of
    equal count, and kinds share the spoilt texts equally; without kinds there are ratings alone.

    Raises:
        Diverged: if the loss is no longer finite.
    """
    optimiser = adamw(model, learning_rate, weight_decay=0.01, embedding_gain=embedding_gain)
    upper = torch.triu_indices(batch, batch, 1)
    kinds = list(spoilt)
    model.train()
    for step, chosen in enumerate(batches(list(map(len, rated.rows)), batch, steps, generator)):
        set_learning_rate(optimiser, learning_rate * warmup_cosine(step, steps))
        scores = score_lists(model, [rated.rows[i] for i in chosen])
        differences = scores[:, None] - scores[None]
        target = preference(rated.mean[chosen], rated.sd[chosen]).to(scores.device)
        loss = F.binary_cross_entropy_with_logits(differences[upper[0], upper[1]], target[upper[0], upper[1]])
        if kinds:
            loss = loss + spoilt_weight * _spoilt_loss(model, spoilt, kinds, batch // 4, margin, generator)
        check_finite(loss.item(), "gold: loss", step)
        descend(loss, model, optimiser)
        progress(step + 1, steps)
    model.eval()


def _spoilt_loss(
    model: PreTrainedModel,
    spoilt: Mapping[str, tuple[Rows, Rows]],
    kinds: Sequence[str],
    count: int,
    margin: float,
    generator: torch.Generator,
) -> Tensor:
    real_rows, spoilt_rows = [], []
    for k in range(count):
        real, bad = spoilt[kinds[k % len(kinds)]]
        i = int(torch.randint(len(real), (1,), generator=generator))
        real_rows.append(real[i])
        spoilt_rows.append(bad[i])
    # every real text against every spoilt one: broken praise must not beat a fluent complaint
    differences = score_lists(model, real_rows)[:, None] - score_lists(model, spoilt_rows)[None]
    return F.relu(margin - differences).mean()


def score_lists(model: PreTrainedModel, rows: Rows) -> Float[Tensor, " rows"]:
    """Raw scores of token rows, gradients kept."""
    lengths = torch.tensor(list(map(len, rows)), device=model.device)
    return score_rows(model, pad_rows(rows, 0, left=False).to(model.device), lengths)


@torch.inference_mode()
def score_all(model: PreTrainedModel, rows: Rows, batch: int = 256) -> Float[Tensor, " rows"]:
    """Raw scores of many token rows, in their order, on the CPU."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    scores = torch.empty(len(rows))
    for start in range(0, len(order), batch):
        part = order[start : start + batch]
        scores[part] = score_lists(model, [rows[i] for i in part]).cpu()
    return scores
