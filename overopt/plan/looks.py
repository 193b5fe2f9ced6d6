"""How often a run that optimises a policy is looked at, and how many texts a curve records, at most."""

from collections.abc import Callable, Mapping
from math import sqrt
from typing import Any

from overopt.engine.stage import Stage
from overopt.plan import stage_specs as specs
from overopt.study.ppo_parts import PPO
from overopt.study.rejection_parts import RejectionRun

Count = int | float


def as_kl_grows(run: PPO | RejectionRun) -> Count:
    """Looks at the start, whenever the root of KL has grown by `spacing`, and every `look_every` iterations."""
    looks = 1 + min(run.max_steps, sqrt(run.max_kl) / run.spacing)
    return looks + run.max_steps / run.look_every if run.look_every else looks


def of_rloo(spec: specs.RLOOSpec) -> int:
    """Looks at the start, every `look_every` steps, and at the end."""
    return 2 + spec.rloo.max_steps // spec.rloo.look_every


def of_direct(spec: specs.DirectSpec) -> int:
    """Looks at the start and the run's own."""
    return 1 + spec.run.looks


# the kinds of stages that record texts: what they are told, and how many texts of each prompt for show that makes
_RECORDING: Mapping[str, tuple[type[specs.BestOfNSpec | specs.Optimising], Callable[[Any], Count]]] = {
    "best_of_n": (specs.BestOfNSpec, lambda spec: spec.max_n.bit_length()),  # n of 1, 2, 4, ...
    "ppo": (specs.PPOSpec, lambda spec: as_kl_grows(spec.ppo)),
    "rloo": (specs.RLOOSpec, of_rloo),
    "rejection": (specs.RejectionSpec, lambda spec: as_kl_grows(spec.run)),
    "direct": (specs.DirectSpec, of_direct),
}


def records_texts(stage: Stage) -> bool:
    """Whether a stage keeps completions of the prompts for show."""
    return stage.name in _RECORDING


def recorded_texts(stage: Stage) -> Count:
    """So many texts a stage records at most."""
    if not records_texts(stage):
        return 0
    kind, of_prompt = _RECORDING[stage.name]
    spec = kind.model_validate(stage.spec)
    return len(spec.show_prompts) * of_prompt(spec)
