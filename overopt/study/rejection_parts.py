"""The parts of a study that choose among samples: softer best-of-n over the pool, and fine-tuning on the best of n."""

from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator

from overopt.study.parts import Grid, Spec, each_once, unless


class Selection(Spec):
    """Softer forms of best-of-n against the proxies of `grid`, over samples that are there already.

    Best-of-Poisson, and soft best-of-n at each of `temperatures` (base-policy SDs of the proxy): see
    `overopt.estimators.selection`. n runs as in `best_of_n`.

    >>> Selection(grid=Grid(models=("1k",), pairs=(640,), seeds=1), temperatures=(0.2,)).label(0.2)
    'tau 0.2'
    """

    grid: Grid
    temperatures: tuple[PositiveFloat, ...]

    @field_validator("temperatures")
    @classmethod
    def _each_once(cls, values: tuple[object, ...]) -> tuple[object, ...]:
        return each_once(values)

    def label(self, temperature: float) -> str:
        """What the column `setting` of the curves table holds."""
        return f"tau {temperature:g}"


class RejectionRun(Spec):
    """One run of rejection-sampling fine-tuning. It is looked at, and ends, as one of PPO: see `ppo_parts.PPO`."""

    prompts: PositiveInt  # prompts that every iteration draws from, with replacement
    batch: PositiveInt  # prompts an iteration, and completions learnt from: the best of n of each
    learning_rate: PositiveFloat  # of the policy: AdamW
    embedding_gain: NonNegativeFloat = unless(1.0)  # of the policy's embeddings, frozen at 0
    max_steps: PositiveInt  # iterations, at most
    max_kl: PositiveFloat  # nats a completion at which the run ends, on a training batch
    spacing: PositiveFloat  # sqrt(nats) between evaluations
    dense_below: NonNegativeFloat = unless(0.0)  # nats up to which every iteration is evaluated
    look_every: PositiveInt | None = None  # iterations between evaluations, at most
    evaluation_samples: PositiveInt  # completions of each evaluation prompt


class Rejection(Spec):
    """Fine-tuning on the best of n by the proxy, n drawn anew at every iteration: every proxy of `grid` x n.

    >>> run = RejectionRun(
    ...     prompts=8, batch=4, learning_rate=1e-3, max_steps=2, max_kl=9, spacing=0.1, evaluation_samples=1
    ... )
    >>> Rejection(grid=Grid(models=("1k",), pairs=(640,), seeds=1), ns=(4,), run=run).label(4)
    'best of 4'
    """

    grid: Grid
    ns: Annotated[tuple[Annotated[int, Field(ge=2)], ...], Field(min_length=1)]
    run: RejectionRun

    @field_validator("ns")
    @classmethod
    def _each_once(cls, values: tuple[object, ...]) -> tuple[object, ...]:
        return each_once(values)

    def label(self, n: int) -> str:
        """What the column `setting` of the curves table holds."""
        return f"best of {n}"
