"""Rejection-sampling fine-tuning: a policy learns what it wrote best, by the proxy, of n completions of each prompt.

One iteration: draw n completions of each prompt of a batch, keep the one that the proxy likes best, and take one step of
cross-entropy on those. What a batch teaches is thus best-of-n of the policy as it is now, so that many iterations go further
than best-of-n of the base policy. RAFT (Dong et al. 2023, arXiv 2304.06767) is this with several steps a batch; BOND
(Sessa et al. 2024, arXiv 2407.14622) distils best-of-n by other divergences too. No reference holds the policy back: it
says how far the policy is.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from overopt.models.log_probs import summed_log_probs, total_log_probs
from overopt.models.samples import Prompts, Samples
from overopt.models.sampling import sample_many
from overopt.optimisers.ppo import Iteration, Reward
from overopt.study.rejection_parts import RejectionRun
from overopt.training.optim import adamw, check_finite, descend, restore_training, training_state
from overopt.util import processes


@dataclass(frozen=True)
class Models:
    """What a run holds: `policy` learns in place, `reference` is the policy as it was."""

    policy: PreTrainedModel
    reference: PreTrainedModel


@dataclass(frozen=True)
class Chosen:
    """What one iteration learns from. samples: the best of each prompt; drawn: the first of each, as the policy writes;
    scores: of all that were drawn, SDs."""

    samples: Samples
    drawn: Samples
    scores: Float[Tensor, "prompts n"]


class Trainer:
    """Trains the policy of `models` in place on the best of `n` by `reward`, an iteration at a time.

    completion_tokens: at most; batch: completions at once where nothing is learnt, changes no result; `step` counts finished
    iterations.
    """

    def __init__(
        self,
        models: Models,
        reward: Reward,
        prompts: Prompts,
        config: RejectionRun,
        *,
        n: int,
        completion_tokens: int,
        generator: torch.Generator,
        batch: int = 256,
    ) -> None:
        self.models, self.reward, self.prompts, self.config = models, reward, prompts, config
        self.n, self.completion_tokens, self.generator, self.batch = n, completion_tokens, generator, batch
        self.optimiser = adamw(models.policy, config.learning_rate, embedding_gain=config.embedding_gain)
        self.step = 0

    def iterate(self) -> Iteration:
        """One batch of prompts, and one step on the best completion of each. KL is k1 on one completion of each.

        Raises:
            Diverged: if the reward, KL, the loss or its gradient is no longer finite.
        """
        policy, reference = self.models.policy, self.models.reference
        chosen = self.choose()
        drawn = chosen.drawn
        log_probs = total_log_probs(policy, drawn, batch=self.batch)
        kl = (log_probs - total_log_probs(reference, drawn, batch=self.batch)).mean().item()
        reward = chosen.scores.mean().item()
        self.step += 1
        check_finite(reward, "rejection sampling: reward", self.step)
        check_finite(kl, "rejection sampling: KL", self.step)
        return Iteration(
            step=self.step,
            kl=kl,
            reward=reward,
            entropy=-(log_probs.sum() / drawn.lengths.sum()).item(),
            length=drawn.lengths.float().mean().item(),
            clip_fraction=0.0,  # nothing is clipped, and there is no value model
            policy_loss=check_finite(self._learn(chosen.samples), "rejection sampling: loss", self.step),
            value_loss=0.0,
        )

    def choose(self) -> Chosen:
        """A batch of prompts with the best of n completions of each, of those that the proxy scores alike the first."""
        rows = torch.randint(len(self.prompts), (self.config.batch,), generator=self.generator)
        drawn = sample_many(
            self.models.policy,
            self.prompts[rows],
            self.n,
            self.completion_tokens,
            generator=self.generator,
            batch=self.batch,
        )
        scores = self.reward(drawn).cpu().view(-1, self.n)
        first = torch.arange(len(rows)) * self.n
        return Chosen(drawn[first + scores.argmax(1)], drawn[first], scores)

    def _learn(self, samples: Samples) -> float:
        """One step of cross-entropy on `samples`, nats a completion: the mean before the step."""
        policy = self.models.policy
        rows = processes.dealt(torch.arange(len(samples)))
        log_probs = summed_log_probs(policy, samples[rows].to(policy.device))
        loss = -log_probs.mean() * processes.weight(len(rows), len(samples))
        value = loss.item()
        descend(loss, policy, self.optimiser, what="rejection sampling", step=self.step)
        return value

    def state(self) -> dict[str, Tensor]:
        """All that the next iteration depends on: the policy, its optimiser, random state, step."""
        return {
            "generator": self.generator.get_state(),
            "step": torch.tensor(self.step),
            **training_state("policy.", self.models.policy, self.optimiser),
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `state` returned."""
        self.generator.set_state(tensors["generator"])
        self.step = int(tensors["step"])
        restore_training(tensors, "policy.", self.models.policy, self.optimiser)
