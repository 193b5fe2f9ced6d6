"""Looking at a policy while something optimises it: completions of held-out prompts, and how far it has moved."""

from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from overopt.models.log_probs import KL, sample_kl
from overopt.models.samples import Prompts, Samples
from overopt.models.sampling import sample_many
from overopt.optimisers.ppo import Iteration


@dataclass(frozen=True)
class Evaluation:
    """Completions of held-out prompts by the policy after `step` iterations.

    `iteration` is None before the first.
    """

    step: int
    samples: Samples
    kl: KL
    iteration: Iteration | None


def evaluate(
    policy: PreTrainedModel,
    reference: PreTrainedModel,
    prompts: Prompts,
    per_prompt: int,
    completion_tokens: int,
    *,
    generator: torch.Generator,
    batch: int,
) -> tuple[Samples, KL]:
    """Completions of each prompt at temperature 1, and their KL from the reference."""
    samples = sample_many(policy, prompts, per_prompt, completion_tokens, generator=generator, batch=batch)
    return samples, sample_kl(policy, reference, samples)
