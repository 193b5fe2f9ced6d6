"""Looking at a policy while something optimises it: completions of held-out prompts, and how far it has moved."""

import math
from dataclasses import dataclass

from transformers import PreTrainedModel

from overopt.models.log_probs import KL, sample_kl
from overopt.models.samples import Prompts, Samples
from overopt.models.sampling import sample_many
from overopt.models.seeding import generator
from overopt.optimisers.ppo import Iteration
from overopt.study.ppo_parts import PPO
from overopt.study.pretrained_parts import RLOO
from overopt.study.rejection_parts import RejectionRun


@dataclass(frozen=True)
class Evaluation:
    """Completions of held-out prompts by `policy` after `step` iterations, those of a prompt in a row, and their KL.

    The policy goes on to learn: it is to be read before the next iteration. `iteration` is None before the first.
    """

    policy: PreTrainedModel
    step: int
    samples: Samples
    kl: KL
    iteration: Iteration | None = None


@dataclass(frozen=True, kw_only=True)
class Evaluator:
    """Looks at policies: `per_prompt` completions of each prompt at temperature 1, and their KL from `reference`.

    completion_tokens: at most; seed: of the random numbers, which differ from step to step; batch: completions at once,
    changes no result.
    """

    reference: PreTrainedModel
    prompts: Prompts
    per_prompt: int
    completion_tokens: int
    seed: int
    batch: int

    def look(self, policy: PreTrainedModel, step: int, iteration: Iteration | None = None) -> Evaluation:
        """`policy` as it is after `step` iterations, of which `iteration` was the last."""
        draws = generator(self.seed, "evaluation", step)
        samples = sample_many(
            policy, self.prompts, self.per_prompt, self.completion_tokens, generator=draws, batch=self.batch
        )
        return Evaluation(policy, step, samples, sample_kl(policy, self.reference, samples), iteration)


def thousandths(step: int, kl: float, config: PPO | RLOO | RejectionRun) -> int:
    """How much of its way a run has gone: to `max_steps` iterations or sqrt(`max_kl` nats), whichever comes first."""
    share = max(step / config.max_steps, math.sqrt(max(0.0, kl) / config.max_kl))
    return round(1000 * min(1.0, share))
