"""Proximal policy optimisation of a language model against a reward model (Schulman et al. 2017).

One iteration: sample a batch of completions, score each once at its end, spread the score over tokens with
generalised advantage estimation, and take a few clipped steps on policy and value model. The value model is
separate from the policy. A completion that reaches the length limit without EOS ends there and is scored.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from transformers import PreTrainedModel

from overopt.models.log_probs import states_before, token_log_probs
from overopt.models.samples import Prompts, Samples
from overopt.models.sampling import gathered_samples, sample
from overopt.study.parts import PPO
from overopt.training.optim import adamw, check_finite, descend, restore_training, training_state
from overopt.util import processes


@dataclass(frozen=True)
class Iteration:
    """What one iteration saw, means over its batch, before its own update.

    kl: k1 estimate, nats a completion, over a minibatch where there is no penalty; reward: of the reward model alone;
    entropy: its estimate from sampled tokens, nats a token; length: tokens;
    clip_fraction: share of tokens whose ratio left the clip range, over the iteration's updates.
    """

    step: int
    kl: float
    reward: float
    entropy: float
    length: float
    clip_fraction: float
    policy_loss: float
    value_loss: float


@dataclass(frozen=True)
class Rollout:
    """A batch of completions and what an update needs of them; all [batch, completion]."""

    samples: Samples
    log_probs: Float[Tensor, "batch completion"]
    values: Float[Tensor, "batch completion"]
    advantages: Float[Tensor, "batch completion"]
    returns: Float[Tensor, "batch completion"]


def gae(
    rewards: Float[Tensor, "batch completion"],
    values: Float[Tensor, "batch completion"],
    mask: Bool[Tensor, "batch completion"],
    *,
    lam: float,
) -> Float[Tensor, "batch completion"]:
    """Generalised advantage estimates, undiscounted; 0 on padding (Schulman et al. 2015, eq. 16).

    advantage_t = sum_k lam^k delta_(t+k), delta_t = reward_t + value_(t+1) - value_t, with value 0 past the end.
    """
    advantages = torch.zeros_like(values)
    following = values.new_zeros(len(values))  # advantage at t + 1
    next_value = values.new_zeros(len(values))
    for t in reversed(range(values.shape[1])):
        inside = mask[:, t]
        following = inside * (rewards[:, t] + next_value - values[:, t] + lam * following)
        next_value = inside * values[:, t]
        advantages[:, t] = following
    return advantages


def token_values(model: PreTrainedModel, samples: Samples) -> Float[Tensor, "batch completion"]:
    """Value of the state before each completion token, from a one-logit model; 0 on padding."""
    values = model.score(states_before(model, samples))[:, 0].float()
    return values.new_zeros(samples.mask.shape).masked_scatter(samples.mask, values)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of `values` where `mask` is True."""
    return (values * mask).sum() / mask.sum()


class Trainer:
    """Trains `policy` and `value_model` in place, an iteration at a time.

    reward: score of each completion (base-policy SDs); kl_penalty: SDs a nat, on log(pi/pi0) of each token,
    0 by default as in the paper. `step` counts finished iterations.
    """

    def __init__(
        self,
        policy: PreTrainedModel,
        reference: PreTrainedModel,
        value_model: PreTrainedModel,
        reward: Callable[[Samples], Float[Tensor, " batch"]],
        prompts: Prompts,
        config: PPO,
        *,
        completion_tokens: int,
        kl_penalty: float,
        generator: torch.Generator,
    ) -> None:
        self.policy, self.reference, self.value_model = policy, reference, value_model
        self.reward, self.prompts, self.config = reward, prompts, config
        self.completion_tokens, self.kl_penalty, self.generator = completion_tokens, kl_penalty, generator
        self.policy_optimiser = adamw(policy, config.learning_rate)
        self.value_optimiser = adamw(value_model, config.value_learning_rate)
        self.step = 0

    def iterate(self) -> Iteration:
        """One batch of completions, and `config.epochs` passes over it.

        Raises:
            Diverged: if KL or a loss is no longer finite.
        """
        config, policy, value_model = self.config, self.policy, self.value_model
        rows = torch.randint(len(self.prompts), (config.batch,), generator=self.generator)
        uniforms = torch.rand(config.batch, self.completion_tokens, generator=self.generator)
        rollout, seen = collect(
            policy,
            self.reference,
            value_model,
            self.reward,
            self.prompts[rows].to(policy.device),
            uniforms,
            config,
            self.kl_penalty,
        )
        self.step += 1
        check_finite(seen["kl"], "PPO: KL", self.step)
        losses = []
        optimisers = self.policy_optimiser, self.value_optimiser
        for _ in range(config.epochs):
            for part in torch.randperm(config.batch, generator=self.generator).split(config.minibatch):
                losses.append(update(policy, value_model, rollout, part, config, *optimisers))
        policy_loss, value_loss, clipped = (sum(column) / len(losses) for column in zip(*losses, strict=True))
        check_finite(policy_loss + value_loss, "PPO: loss", self.step)
        return Iteration(
            self.step, **seen, clip_fraction=clipped, policy_loss=policy_loss, value_loss=value_loss
        )

    def state(self) -> dict[str, Tensor]:
        """All that the next iteration depends on: both models, both optimisers, random state, step."""
        return {
            "generator": self.generator.get_state(),
            "step": torch.tensor(self.step),
            **training_state("policy.", self.policy, self.policy_optimiser),
            **training_state("value.", self.value_model, self.value_optimiser),
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `state` returned."""
        self.generator.set_state(tensors["generator"])
        self.step = int(tensors["step"])
        restore_training(tensors, "policy.", self.policy, self.policy_optimiser)
        restore_training(tensors, "value.", self.value_model, self.value_optimiser)


@torch.inference_mode()
def collect(
    policy: PreTrainedModel,
    reference: PreTrainedModel,
    value_model: PreTrainedModel,
    reward: Callable[[Samples], Float[Tensor, " batch"]],
    prompts: Prompts,
    uniforms: Float[Tensor, "batch completion"],
    config: PPO,
    kl_penalty: float,
) -> tuple[Rollout, dict[str, float]]:
    """One batch of completions with advantages (whitened over its tokens) and returns."""
    tokens = {"eos": policy.config.eos_token_id, "pad": policy.config.pad_token_id}
    mine = processes.dealt(torch.arange(len(prompts)))
    drawn, log_probs = sample(policy, prompts[mine], uniforms[mine], **tokens)
    samples, log_probs = gathered_samples(drawn, prompts), processes.gathered(log_probs, len(prompts))
    mask = samples.mask
    # without a penalty the reference says how far the policy is, no more: a minibatch is enough for that
    compared = len(samples) if kl_penalty else config.minibatch

    def over(
        count: int, read: Callable[[PreTrainedModel, Samples], Tensor], model: PreTrainedModel
    ) -> Tensor:
        parts = processes.dealt(torch.arange(count)).split(config.minibatch)
        return processes.gathered(torch.cat([read(model, samples[rows]) for rows in parts]), count)

    log_ratio = log_probs[:compared] - over(compared, token_log_probs, reference)
    values = over(len(samples), token_values, value_model)
    scores = reward(samples).to(values.device)
    rewards = torch.zeros_like(values)
    if kl_penalty:
        rewards -= kl_penalty * log_ratio
    rewards[torch.arange(len(samples)), samples.lengths - 1] += scores  # the score comes with the last token
    advantages = gae(rewards, values, mask, lam=config.gae_lambda)
    returns = advantages + values
    centre = masked_mean(advantages, mask)
    spread = masked_mean((advantages - centre) ** 2, mask).sqrt()
    whitened = (advantages - centre) / (spread + 1e-8)
    seen = {
        "kl": log_ratio.sum(-1).mean().item(),
        "reward": scores.mean().item(),
        "entropy": -masked_mean(log_probs, mask).item(),
        "length": samples.lengths.float().mean().item(),
    }
    return Rollout(samples, log_probs, values, whitened, returns), seen


def update(
    policy: PreTrainedModel,
    value_model: PreTrainedModel,
    rollout: Rollout,
    rows: Tensor,
    config: PPO,
    policy_optimiser: torch.optim.Optimizer,
    value_optimiser: torch.optim.Optimizer,
) -> tuple[float, float, float]:
    """One clipped step on one minibatch; returns policy loss, value loss and the share of clipped tokens."""
    whole = rollout.samples.mask[rows].sum()
    rows = processes.dealt(rows)
    counts = processes.weight(rollout.samples.mask[rows].sum(), whole)
    samples = rollout.samples[rows]  # indexing copies: what was made in inference mode may enter autograd
    mask, old = samples.mask, rollout.log_probs[rows]
    advantages, returns, old_values = (
        column[rows] for column in (rollout.advantages, rollout.returns, rollout.values)
    )
    ratio = (token_log_probs(policy, samples) - old).exp()
    clipped = ratio.clamp(1 - config.clip, 1 + config.clip)
    policy_loss = masked_mean(torch.maximum(-advantages * ratio, -advantages * clipped), mask) * counts
    descend(policy_loss, policy, policy_optimiser)

    values = token_values(value_model, samples)
    near = old_values + (values - old_values).clamp(-config.clip, config.clip)
    value_loss = (
        0.5 * masked_mean(torch.maximum((values - returns) ** 2, (near - returns) ** 2), mask) * counts
    )
    descend(value_loss, value_model, value_optimiser)

    outside = masked_mean(((ratio - 1).abs() > config.clip).float(), mask) * counts
    seen = torch.stack([policy_loss.detach(), value_loss.detach(), outside.detach()])
    policy_mean, value_mean, outside_mean = processes.gathered(seen[None], processes.size()).mean(0).tolist()
    return policy_mean, value_mean, outside_mean
