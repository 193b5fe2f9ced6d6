"""The parts of a study that say how PPO is run, against which proxies, and which settings of it were tried."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from overopt.study.parts import Grid, Spec, unless

# of a run, the fields that say from which prompts it learns, when it ends and is looked at, not how it learns
DATA = {"prompts"}
ENDS = {"max_steps", "max_kl"}
LOOKS = {"spacing", "dense_below", "look_every", "evaluation_samples"}


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
    missing_eos_score: float | None = unless(None)  # reward of a completion without EOS; ours
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
    # completions of a prompt, each compared with the mean of its others instead of a value model (RLOO); ours
    leave_one_out: Annotated[int, Field(ge=2)] | None = unless(None)
    group_scaled: bool = unless(False)  # whether that is in SDs of the prompt's completions (GRPO); ours
    # the reward, and what it costs to leave the initial policy
    score_clip: PositiveFloat | None = unless(
        None
    )  # SDs that the proxy's score counts up to, up and down; ours
    # the initial policy's completions of each prompt; a reward is the chance to be better than one (PAR); ours
    compared_with: PositiveInt | None = unless(None)
    kl_target: PositiveFloat | None = unless(
        None
    )  # nats a completion that the penalty is changed towards; ours
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
        if self.leave_one_out and self.batch % self.leave_one_out:
            raise ValueError(
                f"leave_one_out: found {self.leave_one_out}, expected a divisor of batch = {self.batch}"
            )
        unused = [name for name in ("value_from", "value_warmup") if name in self.model_dump(mode="json")]
        if self.leave_one_out and unused:
            raise ValueError(f"leave_one_out has no value model, and found {', '.join(unused)}")
        if self.group_scaled and not self.leave_one_out:
            raise ValueError("group_scaled: found no leave_one_out, expected the completions of a prompt")
        if self.score_clip and self.compared_with:
            raise ValueError("score_clip: found compared_with, expected one of the two")
        return self

    @property
    def method(self) -> str:
        """What a run is called in the curves table: by what its completions are compared with."""
        if not self.leave_one_out:
            return "ppo"
        return "grpo" if self.group_scaled else "rloo"

    @property
    def learning(self) -> dict[str, Any]:
        """The fields that say how a policy learns. Where rates decay, the last iteration is one of them."""
        left_out = DATA | LOOKS | (ENDS - {"max_steps"} if self.linear_decay else ENDS)
        return {name: value for name, value in dict(self).items() if name not in left_out}


def changed_runs(run: PPO, settings: Mapping[str, Mapping[str, Any]]) -> dict[str, PPO]:
    """`run` with the fields of each setting.

    Raises:
        ValueError: in one sentence, if some fields are unknown, or do not go together.
    """
    made = {}
    for name, fields in settings.items():
        try:
            made[name] = PPO.model_validate(dict(run) | dict(fields))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"]))
            raise ValueError(
                f"settings.{name}: found {field or 'fields'} = {str(first['input'])[:80]}: {first['msg']}"
            ) from None
    return made


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


class PPOVariants(Spec):
    """Runs that differ in some fields: every setting x proxy of `grid` x KL penalty, in base-policy SDs a nat.

    settings: for each, by the name that its curves have in the column `setting`, the fields of `ppo.run` that it has
    otherwise. To stop early at some KL needs no run of its own: it is a plain run, read at that KL.

    >>> PPOVariants(grid=Grid(models=("1k",), pairs=(640,), seeds=1), settings={"clip 2": {"score_clip": 2.0}}).kl_penalties
    (0.0,)
    """

    grid: Grid
    settings: Annotated[dict[str, dict[str, Any]], Field(min_length=1)]
    kl_penalties: Annotated[tuple[NonNegativeFloat, ...], Field(min_length=1)] = (0.0,)

    def check_against(self, run: PPO) -> None:
        """That every setting makes a run of `run`, and one that is not the same.

        Raises:
            ValueError: in one sentence, if one does not.
        """
        for name, made in changed_runs(run, self.settings).items():
            if made == run:
                raise ValueError(f"settings.{name}: found the study's own run, expected another")
            if made.kl_target and not all(self.kl_penalties):
                raise ValueError(
                    f"settings.{name}: found kl_target and no kl_penalties to start from, expected some"
                )


class PPOSweep(Spec):
    """Settings of PPO to choose from by how well they spend KL, without a look at gold: see `overopt.analysis.ppo_sweep`.

    Each runs against one proxy of `model` and `pairs`, trained with a seed that no verdict uses, and is looked at on
    `prompts` prompts that serve nothing else; `samples` completions of each by the base policy show what the best policy
    would need.
    settings: for each, by its name, the fields of `run` that it has otherwise.
    """

    model: str
    pairs: PositiveInt
    prompts: PositiveInt
    samples: Annotated[int, Field(ge=64)]
    run: PPO
    settings: Annotated[dict[str, dict[str, Any]], Field(min_length=1)]

    @property
    def runs(self) -> dict[str, PPO]:
        """The run of each setting."""
        return changed_runs(self.run, self.settings)

    def setting_of(self, run: PPO) -> str | None:
        """The first setting by which a policy learns as in `run`; None where there is none."""
        return next((name for name, tried in self.runs.items() if tried.learning == run.learning), None)

    @model_validator(mode="after")
    def _settings_are_runs(self) -> "PPOSweep":
        changed_runs(self.run, self.settings)
        return self
