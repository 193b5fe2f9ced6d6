"""Direct alignment: a policy learns from labelled pairs without a reward model, by DPO, IPO or SLiC.

Each loss is a convex function of how much more the policy has come to prefer the winner of a pair than the loser: beta
times the difference of their log(pi / pi0) (Rafailov et al. 2024, section 3; Tang et al. 2024). What the policy fits is its
implicit reward beta log(pi / pi0), and what maximises this reward less beta KL is the policy itself.

TRL's DPOTrainer has these losses and is not used: its checkpoints are pickles, so that a killed run would start anew; it
divides IPO's log-ratios by the length of a completion; and it reads twice what two completions of a prompt share. On a busy
core, in float32 and with the reference asked beforehand, a step on 64 pairs took it 3.1 s and this file 0.9 s (1.7M
parameters with embeddings, completions of 13 tokens).
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel

from overopt.engine.checkpoint import Checkpoint
from overopt.models.log_probs import summed_log_probs, total_log_probs
from overopt.models.samples import concatenate
from overopt.optimisers.evaluation import Evaluation, Evaluator
from overopt.rewards.pairs import LabelledPairs, of_different_texts
from overopt.study.direct_parts import DirectLoss, DirectRun
from overopt.training.optim import (
    CHECKPOINT_SECONDS,
    adamw,
    batches,
    check_finite,
    descend,
    restore_training,
    set_learning_rate,
    training_state,
    warmup_cosine,
)
from overopt.util import processes

WARMUP = 0.1  # share of the steps in which the learning rate rises; then it stays

Margins = Float[Tensor, " pairs"]


def dpo(margin: Margins) -> Margins:
    """-log sigmoid(x): pairs are labelled by Bradley-Terry (Rafailov et al. 2023, eq. 7).

    >>> round(dpo(torch.zeros(1)).item(), 4)  # log 2: half of the pairs are right
    0.6931
    """
    return F.softplus(-margin)


def ipo(margin: Margins) -> Margins:
    """(x - 1)^2: a preference is worth no more than 1, however sure (Azar et al. 2023, eq. 17, times beta^2; beta = 2 tau).

    >>> ipo(torch.tensor([0.0, 1.0, 2.0])).tolist()
    [1.0, 0.0, 1.0]
    """
    return (margin - 1) ** 2


def slic(margin: Margins) -> Margins:
    """max(0, 1 - x): a pair teaches until its margin is 1 (Zhao et al. 2023, of log-ratios).

    >>> slic(torch.tensor([0.0, 1.0, 2.0])).tolist()
    [1.0, 0.0, 0.0]
    """
    return F.relu(1 - margin)


LOSSES: dict[DirectLoss, Callable[[Margins], Margins]] = {"dpo": dpo, "ipo": ipo, "slic": slic}


def direct_loss(
    loss: DirectLoss,
    winner: Float[Tensor, " pairs"],
    loser: Float[Tensor, " pairs"],
    winner_before: Float[Tensor, " pairs"],
    loser_before: Float[Tensor, " pairs"],
    *,
    beta: float,
) -> Float[Tensor, " pairs"]:
    """The loss of each pair, from the log-probability (nats) of either completion by the policy now and as it was before.

    A completion's log-probability is the sum over its tokens, EOS included where it has one; one that was cut at the length
    limit counts for all that begin so. beta: logits a nat.

    >>> nats = [torch.tensor([value]) for value in (-4.0, -6.0, -5.0, -5.0)]
    >>> [round(direct_loss(loss, *nats, beta=0.25).item(), 4) for loss in LOSSES]  # of a margin of 0.5
    [0.4741, 0.25, 0.5]
    """
    return LOSSES[loss](beta * ((winner - winner_before) - (loser - loser_before)))


def look_steps(steps: int, looks: int) -> list[int]:
    """At most `looks` of the steps 1 to `steps`, evenly in their logarithm: dense at first, the last one among them.

    >>> look_steps(80, 8)
    [1, 2, 3, 7, 12, 23, 43, 80]
    """
    spread = np.geomspace(1, steps, looks) if looks > 1 else [steps]
    return sorted({round(float(step)) for step in spread})


class Trainer:
    """Trains `policy` in place on `pairs`, a step at a time, as `config` says; `step` counts finished ones, `steps` all.

    A pair of equal texts has no margin whatever the policy, and is left out. The policy as it is now is the reference.

    Raises:
        ValueError: if there are fewer pairs of different texts than one batch.
    """

    def __init__(
        self,
        policy: PreTrainedModel,
        pairs: LabelledPairs,
        config: DirectRun,
        *,
        loss: DirectLoss,
        beta: float,
        generator: torch.Generator,
    ) -> None:
        self.policy, self.config, self.loss, self.beta, self.step = policy, config, loss, beta, 0
        pairs = of_different_texts(pairs)
        self.steps = config.epochs * (len(pairs) // config.batch)
        # both texts of every pair, and where each pair has its winner and its loser
        self.texts = concatenate([pairs.first, pairs.second])
        first = torch.arange(len(pairs))
        second = first + len(pairs)
        wins = pairs.first_wins
        self.sides = torch.stack([first.where(wins, second), second.where(wins, first)], 1)  # [pairs, 2]
        longer = torch.maximum(pairs.first.lengths, pairs.second.lengths).tolist()
        self.batches = list(batches(longer, config.batch, self.steps, generator))
        self.before = total_log_probs(policy, self.texts)
        self.optimiser = adamw(policy, config.learning_rate, embedding_gain=config.embedding_gain)

    def iterate(self) -> float:
        """One step on one batch; its mean loss before the step.

        Raises:
            Diverged: if the loss or its gradient is no longer finite.
        """
        rate = self.config.learning_rate * warmup_cosine(self.step, self.steps, warmup=WARMUP, floor=1.0)
        set_learning_rate(self.optimiser, rate)
        chosen = torch.tensor(self.batches[self.step])
        mine = processes.dealt(chosen)
        rows = self.sides[mine].flatten()  # winner and loser side by side, to share their prompt
        now = summed_log_probs(self.policy, self.texts[rows].to(self.policy.device)).view(-1, 2)
        before = self.before[rows].view(-1, 2).to(now.device)
        of_pairs = direct_loss(self.loss, *now.unbind(1), *before.unbind(1), beta=self.beta)
        mean = of_pairs.mean() * processes.weight(len(mine), len(chosen))
        value = check_finite(mean.item(), f"{self.loss.upper()}: loss", self.step)
        descend(mean, self.policy, self.optimiser, what=self.loss.upper(), step=self.step)
        self.step += 1
        return value

    def state(self) -> dict[str, Tensor]:
        """All that the next step depends on: the policy, its optimiser, the step."""
        return {"step": torch.tensor(self.step), **training_state("policy.", self.policy, self.optimiser)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `state` returned."""
        self.step = int(tensors["step"])
        restore_training(tensors, "policy.", self.policy, self.optimiser)


class Looks:
    """Evaluations of a policy as `trainer` trains it: at the start and at `look_steps`. To iterate over them is to train.

    With a `checkpoint` the state is kept after every evaluation and now and then, beside `kept`: what the caller has made of
    the evaluations so far (JSON). A run whose checkpoint holds a state goes on from there, with `kept` filled as it was
    then, and every number is the same, to the last bit, as if it had not been stopped.
    """

    def __init__(
        self,
        trainer: Trainer,
        evaluator: Evaluator,
        *,
        kept: dict[str, Any],
        checkpoint: Checkpoint | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        self.trainer, self.evaluator, self.kept = trainer, evaluator, kept
        self.checkpoint, self.progress = checkpoint, progress
        saved = checkpoint.load() if checkpoint else None
        if saved:
            trainer.restore(saved[0])
            kept.clear()
            kept.update(saved[1]["kept"])

    def __iter__(self) -> Iterator[Evaluation]:
        """The evaluations that are still to come.

        Raises:
            Diverged: as `Trainer.iterate`.
        """
        trainer, due = self.trainer, time.monotonic() + CHECKPOINT_SECONDS
        looks = set(look_steps(trainer.steps, trainer.config.looks))
        if trainer.step == 0:
            yield self.evaluator.look(trainer.policy, 0)
        while trainer.step < trainer.steps:
            trainer.iterate()
            seen = trainer.step in looks
            if seen:
                yield self.evaluator.look(trainer.policy, trainer.step)
            if self.checkpoint and (seen or time.monotonic() > due):
                self.checkpoint.save(trainer.state(), {"kept": self.kept})
                due = time.monotonic() + CHECKPOINT_SECONDS
            self.progress(trainer.step, trainer.steps)
