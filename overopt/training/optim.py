"""What every trainer shares: length-sorted batches, a learning-rate schedule, checkpoints, a stop on NaN."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor
from transformers import PreTrainedModel

from overopt.engine.checkpoint import Checkpoint
from overopt.util import processes

CHECKPOINT_SECONDS = 20.0
CHECKPOINT_SHARE = 0.05  # of the time of training that goes into checkpoints, at most


Batch = TypeVar("Batch")


class Diverged(RuntimeError):
    """A training run whose loss or KL is no longer finite; nothing of it is published."""


def check_finite(value: float, what: str, step: int) -> float:
    """`value` itself.

    Raises:
        Diverged: if it is NaN or infinite, naming `what` and the step.
    """
    if not math.isfinite(value):
        raise Diverged(f"{what}: found {value} at step {step}; expected a finite number")
    return value


def warmup_cosine(step: int, total: int, *, warmup: float = 0.05, floor: float = 0.1) -> float:
    """Factor on the peak learning rate: linear warm-up, then a cosine down to `floor`."""
    start = max(1, round(warmup * total))
    if step < start:
        return (step + 1) / start
    progress = (step - start) / max(1, total - start)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def adamw(
    model: PreTrainedModel,
    learning_rate: float,
    *,
    weight_decay: float = 0.0,
    embedding_gain: float = 1.0,
    beta2: float = 0.95,
    eps: float = 1e-8,
) -> torch.optim.AdamW:
    """AdamW in one fused kernel, its first beta 0.9.

    Token embeddings learn at `embedding_gain` times the rate of the rest: a rare word's row gets a gradient in a
    few steps only. At 0 they are frozen: `requires_grad` is taken from them.
    """
    embedding = model.base_model.get_input_embeddings().weight
    rest = [weight for weight in model.parameters() if weight is not embedding]
    groups = [{"params": rest, "gain": 1.0}]
    if embedding_gain:
        groups.append({"params": [embedding], "gain": embedding_gain})
    else:
        embedding.requires_grad_(False)
    return torch.optim.AdamW(
        groups, lr=learning_rate, betas=(0.9, beta2), eps=eps, weight_decay=weight_decay, fused=True
    )


def descend(
    loss: Tensor, model: PreTrainedModel, optimiser: torch.optim.Optimizer, *, what: str, step: int
) -> None:
    """One step down the gradient of `loss`, its norm clipped at 1; gradients are cleared.

    Raises:
        Diverged: if the gradient is not finite, naming `what` and the step; the weights are what they were.
    """
    loss.backward()
    processes.average_gradients(model)
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    check_finite(norm.item(), f"{what}: gradient", step)
    optimiser.step()
    optimiser.zero_grad()


def minimise(
    model: PreTrainedModel,
    batches: Iterable[Batch],
    loss: Callable[[Batch], Tensor],
    *,
    what: str,
    steps: int,
    learning_rate: float,
    embedding_gain: float,
    progress: Callable[[int, int], None] = lambda done, total: None,
    checkpoint: Checkpoint | None = None,
) -> None:
    """One AdamW step down the loss of each of `steps` batches, with warm-up and decay; ends in evaluation mode.

    With a `checkpoint`, weights and optimiser are kept now and then, and a run that finds them goes on from there:
    it draws the batches before that again, without computing anything on them, and ends in the same weights, to the
    last bit, as a run that was not stopped.

    Raises:
        Diverged: if a loss or a gradient is not finite, naming `what` and the step.
    """
    optimiser = adamw(model, learning_rate, weight_decay=0.01, embedding_gain=embedding_gain)
    found = checkpoint.load() if checkpoint else None
    start = 0
    if found:
        restore_training(found[0], "", model, optimiser)
        start = found[1]["step"]
    model.train()
    due = time.monotonic() + CHECKPOINT_SECONDS
    for step, batch in enumerate(batches):
        if step < start:
            continue
        set_learning_rate(optimiser, learning_rate * warmup_cosine(step, steps))
        value = loss(batch)
        check_finite(value.item(), f"{what}: loss", step)
        descend(value, model, optimiser, what=what, step=step)
        progress(step + 1, steps)
        if checkpoint and (step + 1 == steps or time.monotonic() > due):
            began = time.monotonic()
            checkpoint.save(training_state("", model, optimiser), {"step": step + 1})
            took = time.monotonic() - began
            due = time.monotonic() + max(CHECKPOINT_SECONDS, took / CHECKPOINT_SHARE)
    model.eval()


def learning(model: PreTrainedModel) -> Iterator[tuple[str, torch.nn.Parameter]]:
    """The parameters that an optimiser moves, by name; frozen ones stay as they came."""
    return ((name, weight) for name, weight in model.named_parameters() if weight.requires_grad)


def training_state(
    prefix: str, model: PreTrainedModel, optimiser: torch.optim.Optimizer
) -> dict[str, Tensor]:
    """Weights that learn and optimiser state by name, each after `prefix`: copies, since training goes on in place."""
    tensors = {}
    for name, weight in learning(model):
        tensors[prefix + name] = weight.detach()
        for key, value in optimiser.state[weight].items():
            tensors[f"{prefix}{name}/{key}"] = value
    return {name: tensor.contiguous().clone() for name, tensor in tensors.items()}


def restore_training(
    tensors: Mapping[str, Tensor], prefix: str, model: PreTrainedModel, optimiser: torch.optim.Optimizer
) -> None:
    """Go on from what `training_state` returned."""
    for name, weight in learning(model):
        with torch.no_grad():
            weight.copy_(tensors[prefix + name])
        start = f"{prefix}{name}/"
        optimiser.state[weight] = {
            # the fused optimiser wants its step counts where the weights are
            key.removeprefix(start): value.to(weight.device)
            for key, value in tensors.items()
            if key.startswith(start)
        }


def set_learning_rate(optimiser: torch.optim.Optimizer, learning_rate: float) -> None:
    """Set the learning rate of every parameter group, times the gain of the group."""
    for group in optimiser.param_groups:
        group["lr"] = learning_rate * group["gain"]


def batches(
    lengths: Sequence[int], size: int, steps: int, generator: torch.Generator, *, window: int = 32
) -> Iterator[list[int]]:
    """`steps` batches of `size` indices, epoch after epoch, each batch of rows of about equal length.

    Rows are shuffled, sorted by length within `window` batches, and the batches shuffled again: little
    padding, and an order that is still random. An incomplete batch at the end of an epoch is dropped.

    Raises:
        ValueError: if there are fewer rows than one batch.
    """
    if len(lengths) < size:
        raise ValueError(f"batches: {len(lengths)} rows, fewer than one batch of {size}")
    done = 0
    while True:
        order = torch.randperm(len(lengths), generator=generator).tolist()
        epoch = []
        for start in range(0, len(order), size * window):
            chunk = sorted(order[start : start + size * window], key=lambda row: lengths[row])
            epoch += [chunk[k : k + size] for k in range(0, len(chunk) - size + 1, size)]
        for k in torch.randperm(len(epoch), generator=generator).tolist():
            if done == steps:
                return
            yield epoch[k]
            done += 1
