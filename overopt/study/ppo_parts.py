"""The parts of a study that say how PPO is run, and against which proxies."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from overopt.study.parts import Grid, Spec, unless


class PPO(Spec):
    """One PPO run. Defaults are the paper's (Gao et al. 2022, Table 1); what it leaves open is ours, a study's to set.

    A run is evaluated at its start, after every iteration below `dense_below` nats, whenever sqrt(KL) has grown by
    `spacing`, at the latest `look_every` iterations after the last time (a KL penalty may hold KL still while scores go on
    to change), and at its end.
    """

    # what is learnt from
    prompts: PositiveInt  # prompts that every iteration draws from, with replacement; ours
    batch: PositiveInt = 256  # completions an iteration; paper
    minibatch: PositiveInt  # completions a step of either model, a divisor of `batch`; ours
    epochs: PositiveInt  # passes over the batch of an iteration, at most; ours
    missing_eos_score: float | None = unless(None)  # SDs, of a completion without EOS, for the proxy's; ours
    # the policy
    learning_rate: PositiveFloat  # of the policy: AdamW; ours
    rate_warmup: NonNegativeInt = unless(0)  # iterations in which the policy's rate rises linearly; ours
    embedding_gain: NonNegativeFloat = unless(1.0)  # of the policy's embeddings, frozen at 0; ours
    clip: PositiveFloat = 0.2  # most that pi/pi_old may leave 1, and a value its old one (SDs); paper
    target_kl: PositiveFloat | None = unless(None)  # nats from pi_old that end an iteration; ours
    whiten: bool = unless(True)  # whether advantages get mean 0 and SD 1 over the tokens of a batch; ours
    # the value model
    value_from: Literal["language_model", "proxy"] = unless("language_model")  # what it starts as; ours
    value_warmup: NonNegativeInt = unless(0)  # iterations in which it alone learns, before the first; ours
    value_learning_rate: PositiveFloat  # of the value model: AdamW; ours
    gae_lambda: Annotated[float, Field(ge=0, le=1)] = (
        0.95  # share of an error that the token before takes on; paper
    )
    # both
    adam_beta2: Annotated[float, Field(ge=0, lt=1)] = unless(0.95)  # of both; ours
    adam_eps: PositiveFloat = unless(1e-8)  # of both; ours
    linear_decay: bool = unless(False)  # whether both rates fall to 0 at `max_steps`; ours
    # until when, and when it is looked at
    max_steps: PositiveInt  # iterations, at most; ours
    max_kl: PositiveFloat  # nats a completion at which the run ends, on a training batch; ours
    spacing: PositiveFloat  # sqrt(nats) between evaluations; ours
    dense_below: NonNegativeFloat = unless(0.0)  # nats up to which every iteration is evaluated; ours
    look_every: PositiveInt | None = None  # iterations between evaluations, at most; ours
    evaluation_samples: PositiveInt  # completions of each evaluation prompt; ours

    @model_validator(mode="after")
    def _batch_divides(self) -> "PPO":
        if self.batch % self.minibatch:
            raise ValueError(f"minibatch: found {self.minibatch}, expected a divisor of batch = {self.batch}")
        return self


class PPOGrid(Spec):
    """PPO runs: every proxy of `grid` x policy x KL penalty, in base-policy SDs a nat. No policy is the study's."""

    grid: Grid
    policies: tuple[str, ...] = ()
    kl_penalties: tuple[Annotated[float, Field(ge=0)], ...] = (0.0,)


class PPORuns(Spec):
    """Which PPO runs, and how. `value_model` is what value models start as that do not start as the proxy."""

    grids: tuple[PPOGrid, ...]
    value_model: str
    run: PPO
