"""A policy against a proxy, watched by gold: a run of PPO or of rejection sampling, evaluated as it moves away."""

import math
from collections.abc import Callable, Iterator
from typing import Any

from overopt.engine.checkpoint import Checkpoint
from overopt.optimisers import ppo, rejection
from overopt.optimisers.evaluation import Evaluation, Evaluator, thousandths


class PPORun:
    """Evaluations of a policy as `trainer` trains it: to iterate over them is to run.

    There is one at the start, one after every iteration below `config.dense_below` nats, then one whenever sqrt(KL) has
    grown by `config.spacing` or `config.look_every` iterations have passed, and one at the end, which comes at
    `config.max_kl` nats or `config.max_steps` iterations. KL on the training batch decides when to look; every evaluation
    measures its own KL on held-out prompts. Progress is told in thousandths.

    With a `checkpoint`, the state of the run is kept after every evaluation but the last, beside `kept`: what the caller
    has made of the evaluations so far (JSON). A run whose checkpoint holds a state goes on from there, with `kept` filled
    as it was then, and every number is the same, to the last bit, as if it had not been stopped.
    """

    def __init__(
        self,
        trainer: ppo.Trainer | rejection.Trainer,
        evaluator: Evaluator,
        *,
        kept: list[Any] | dict[str, Any],
        checkpoint: Checkpoint | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        self.trainer, self.evaluator, self.kept = trainer, evaluator, kept
        self.checkpoint, self.progress = checkpoint, progress
        self.farthest, self.looked = 0.0, 0  # the largest sqrt(KL) and the step of the last evaluation
        saved = checkpoint.load() if checkpoint else None
        if saved:
            tensors, values = saved
            trainer.restore(tensors)
            self.farthest, self.looked = values["seen"], values["looked"]
            kept.clear()
            kept.update(values["kept"]) if isinstance(kept, dict) else kept.extend(values["kept"])

    def __iter__(self) -> Iterator[Evaluation]:
        """The evaluations that are still to come; training goes on as they are asked for.

        Raises:
            Diverged: as `Trainer.iterate`.
        """
        trainer, config, policy = self.trainer, self.trainer.config, self.trainer.models.policy
        if trainer.step == 0:
            yield self.evaluator.look(policy, 0)
        last = False
        while not last:
            iteration = trainer.iterate()
            step, distance = iteration.step, math.sqrt(max(0.0, iteration.kl))
            last = step == config.max_steps or iteration.kl >= config.max_kl
            overdue = config.look_every is not None and step - self.looked >= config.look_every
            dense = distance**2 < config.dense_below
            if last or dense or overdue or distance >= self.farthest + config.spacing:
                # past a jump, the next point is due one spacing further on
                self.farthest, self.looked = max(self.farthest, distance), step
                yield self.evaluator.look(policy, step, iteration)
                if self.checkpoint and not last:
                    values = {"seen": self.farthest, "looked": self.looked, "kept": self.kept}
                    self.checkpoint.save(trainer.state(), values)
            self.progress(thousandths(step, iteration.kl, config), 1000)
