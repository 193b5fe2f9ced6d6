"""Next-token training of a small decoder on single sentences."""

from collections.abc import Callable

import torch
from transformers import PreTrainedModel

from overopt.engine.checkpoint import Checkpoint
from overopt.models.fast.next_token import log_probs_after
from overopt.models.fast.packing import Layout, hidden_states
from overopt.models.precision import mixed_precision
from overopt.models.samples import pad_rows
from overopt.training.optim import batches, minimise


def train_language_model(
    model: PreTrainedModel,
    rows: list[list[int]],
    *,
    tokens: int,
    batch: int,
    learning_rate: float,
    embedding_gain: float,
    generator: torch.Generator,
    progress: Callable[[int, int], None] = lambda done, total: None,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Train `model` in place on about `tokens` tokens of `rows` (BOS, sentence, EOS), one sentence a row.

    Loss is the mean over tokens in nats; AdamW with warm-up and cosine decay, gradient norm clipped at 1.

    Raises:
        Diverged: if the loss is no longer finite.
    """
    device, pad = model.device, model.config.pad_token_id
    steps = max(1, round(tokens / (batch * sum(map(len, rows)) / len(rows))))

    def loss(chosen: list[int]) -> torch.Tensor:
        with mixed_precision(model):
            return next_token_loss(model, pad_rows([rows[i] for i in chosen], pad, left=False).to(device))

    minimise(
        model,
        batches(list(map(len, rows)), batch, steps, generator),
        loss,
        what="language model",
        steps=steps,
        learning_rate=learning_rate,
        embedding_gain=embedding_gain,
        progress=progress,
        checkpoint=checkpoint,
    )


def next_token_loss(model: PreTrainedModel, ids: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of the next token in nats, padding on the right left out. ids: [batch, length]."""
    layout = Layout.of((ids != model.config.pad_token_id).sum(-1) - 1)
    columns = layout.inside.shape[1]
    hidden = hidden_states(model, ids[:, :columns], layout)
    targets = layout.pack(ids[:, 1 : columns + 1])
    return -log_probs_after(model.get_output_embeddings(), hidden, targets).mean()


@torch.inference_mode()
def validation_loss(model: PreTrainedModel, rows: list[list[int]], batch: int = 64) -> float:
    """Mean next-token loss over all tokens of `rows`, nats a token."""
    total = count = 0.0
    ordered = sorted(rows, key=len)
    for start in range(0, len(ordered), batch):
        chunk = ordered[start : start + batch]
        targets = sum(map(len, chunk)) - len(chunk)
        ids = pad_rows(chunk, model.config.pad_token_id, left=False).to(model.device)
        total += next_token_loss(model, ids).item() * targets
        count += targets
    return total / count
