"""Proximal policy optimisation of a language model against a reward model (Schulman et al. 2017).

One iteration: sample a batch of completions, score each once at its end, spread the score over tokens with
generalised advantage estimation, and take a few clipped steps on policy and value model. The value model is
separate from the policy; a study can have the other completions of a prompt in its place. A completion that reaches the
length limit without EOS ends there and is scored all the same, unless the study gives such completions a score of their
own. `overopt.study.ppo_parts.PPO` says what each hyperparameter is, `overopt.optimisers.ppo_run` when a run is looked at
and ends.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedModel

from overopt.models.log_probs import states_before, token_log_probs
from overopt.models.samples import Prompts, Samples
from overopt.models.sampling import gathered_samples, sample
from overopt.optimisers.advantages import gae, group_scaled, leave_one_out, masked_mean, whitened
from overopt.optimisers.shaping import adapted, clipped, preferred
from overopt.study.ppo_parts import PPO
from overopt.training.optim import (
    adamw,
    check_finite,
    descend,
    restore_training,
    set_learning_rate,
    training_state,
)
from overopt.util import processes

Reward = Callable[[Samples], Float[Tensor, " batch"]]  # of each completion, base-policy SDs


@dataclass(frozen=True)
class Models:
    """What a run holds: `policy` and `value` (one logit) learn in place, `reference` is the policy as it was."""

    policy: PreTrainedModel
    reference: PreTrainedModel
    value: PreTrainedModel


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
    """A batch of completions and what an update needs of them.

    log_probs, values: of the policy and the value model that drew them; advantages: whitened over the batch's tokens
    where the study says so; returns: what the value model learns; scores: of the reward model alone, SDs; kl: k1, nats,
    of the first completions.
    """

    samples: Samples
    log_probs: Float[Tensor, "batch completion"]
    values: Float[Tensor, "batch completion"]
    advantages: Float[Tensor, "batch completion"]
    returns: Float[Tensor, "batch completion"]
    scores: Float[Tensor, " batch"]
    kl: Float[Tensor, " compared"]


class Trainer:
    """Trains the policy and the value model of `models` in place, an iteration at a time.

    kl_penalty: SDs a nat, on log(pi/pi0) of each token, 0 as in the paper's runs without one, and with `config.kl_target`
    what it is at first; completion_tokens: at most; base_scores: of completions of each prompt by the policy as it was, for
    `config.compared_with`; `step` counts finished iterations.
    """

    def __init__(
        self,
        models: Models,
        reward: Reward,
        prompts: Prompts,
        config: PPO,
        *,
        completion_tokens: int,
        kl_penalty: float,
        generator: torch.Generator,
        base_scores: Float[Tensor, "prompts base"] | None = None,
    ) -> None:
        self.models, self.reward, self.prompts, self.config = models, reward, prompts, config
        self.base_scores = base_scores
        self.completion_tokens, self.kl_penalty, self.generator = completion_tokens, kl_penalty, generator
        adam = {"beta2": config.adam_beta2, "eps": config.adam_eps}
        self.policy_optimiser = adamw(
            models.policy, config.learning_rate, embedding_gain=config.embedding_gain, **adam
        )
        self.value_optimiser = adamw(models.value, config.value_learning_rate, **adam)
        self.step = 0

    def iterate(self) -> Iteration:
        """One batch of completions, and passes over it: `config.epochs`, or until the policy has moved `target_kl` nats.

        Raises:
            Diverged: if KL, a loss or a gradient is no longer finite.
        """
        config = self.config
        if self.step == 0:
            for _ in range(config.value_warmup):
                self._warm_up()
        self._set_rates()
        rollout = self._collect()
        self.step += 1
        kl = check_finite(rollout.kl.mean().item(), "PPO: KL", self.step)
        updates = []
        for rows in self._minibatches():
            update, moved = self._update(rollout, rows)
            updates.append(update)
            if config.target_kl is not None and moved > config.target_kl:
                break
        policy_loss, value_loss, clipped = (
            sum(column) / len(updates) for column in zip(*updates, strict=True)
        )
        check_finite(policy_loss + value_loss, "PPO: loss", self.step)
        if config.kl_target:
            self.kl_penalty = adapted(self.kl_penalty, kl, config.kl_target)
        return Iteration(
            step=self.step,
            kl=kl,
            reward=rollout.scores.mean().item(),
            entropy=-masked_mean(rollout.log_probs, rollout.samples.mask).item(),
            length=rollout.samples.lengths.float().mean().item(),
            clip_fraction=clipped,
            policy_loss=policy_loss,
            value_loss=value_loss,
        )

    def _set_rates(self) -> None:
        """The learning rates of the iteration that follows."""
        config = self.config
        left = 1 - self.step / config.max_steps if config.linear_decay else 1.0
        risen = min(1.0, (self.step + 1) / (config.rate_warmup + 1))
        set_learning_rate(self.policy_optimiser, config.learning_rate * left * risen)
        set_learning_rate(self.value_optimiser, config.value_learning_rate * left)

    def _warm_up(self) -> None:
        """An iteration of the value model alone."""
        rollout = self._collect()
        for rows in self._minibatches():
            self._learn_values(rollout, *_dealt(rollout, rows))

    def _minibatches(self) -> Iterator[Int[Tensor, " minibatch"]]:
        """The rows of each update of an iteration."""
        config = self.config
        for _ in range(config.epochs):
            yield from torch.randperm(config.batch, generator=self.generator).split(config.minibatch)

    @torch.inference_mode()
    def _collect(self) -> Rollout:
        """A batch of completions with their advantages and returns."""
        models, config, penalty = self.models, self.config, self.kl_penalty
        device, tokens = models.policy.device, models.policy.config
        of_each = config.leave_one_out or 1
        rows = torch.randint(len(self.prompts), (config.batch // of_each,), generator=self.generator)
        rows = rows.repeat_interleave(of_each)
        uniforms = torch.rand(config.batch, self.completion_tokens, generator=self.generator)
        prompts = self.prompts[rows].to(device)
        mine = processes.dealt(torch.arange(len(prompts)))
        drawn, drawn_log_probs = sample(
            models.policy, prompts[mine], uniforms[mine], eos=tokens.eos_token_id, pad=tokens.pad_token_id
        )
        samples = gathered_samples(drawn, prompts)
        log_probs = processes.gathered(drawn_log_probs, len(prompts))

        def over(
            count: int, read: Callable[[PreTrainedModel, Samples], Tensor], model: PreTrainedModel
        ) -> Tensor:
            """What `read` says of the first `count` samples, a minibatch at a time."""
            parts = processes.dealt(torch.arange(count)).split(config.minibatch)
            return processes.gathered(torch.cat([read(model, samples[rows]) for rows in parts]), count)

        # without a penalty the reference says how far the policy is, no more: a minibatch is enough for that
        compared = len(samples) if penalty else config.minibatch
        log_ratio = log_probs[:compared] - over(compared, token_log_probs, models.reference)
        scores = self.reward(samples).to(log_probs.device)
        rewards = torch.zeros_like(log_probs)
        if penalty:
            rewards -= penalty * log_ratio
        given = self._shaped(scores, rows)
        if config.missing_eos_score is not None:  # as it is: what is shaped is what the proxy says
            given = given.where(samples.ended(tokens.eos_token_id), config.missing_eos_score)
        rewards[torch.arange(len(samples)), samples.lengths - 1] += given  # it comes with the last token
        if config.leave_one_out:
            values = torch.zeros_like(log_probs)
            compare = group_scaled if config.group_scaled else leave_one_out
            advantages = compare(rewards.sum(-1), config.leave_one_out)[:, None] * samples.mask
        else:
            values = over(len(samples), token_values, models.value)
            advantages = gae(rewards, values, samples.mask, lam=config.gae_lambda)
        return Rollout(
            samples,
            log_probs,
            values,
            advantages=whitened(advantages, samples.mask) if config.whiten else advantages,
            returns=advantages + values,
            scores=scores,
            kl=log_ratio.sum(-1),
        )

    def _shaped(
        self, scores: Float[Tensor, " batch"], rows: Int[Tensor, " batch"]
    ) -> Float[Tensor, " batch"]:
        """What completions of the prompts in these rows are rewarded with for their scores."""
        if self.config.compared_with:
            assert self.base_scores is not None  # what asks for it has them
            return preferred(scores, self.base_scores[rows].to(scores))
        return clipped(scores, self.config.score_clip) if self.config.score_clip else scores

    def _update(
        self, rollout: Rollout, rows: Int[Tensor, " minibatch"]
    ) -> tuple[tuple[float, float, float], float]:
        """One clipped step of each model on one minibatch: policy loss, value loss and the share of clipped tokens.

        Beside them, how far the policy had come before it from the one that drew the batch: KL by k3, nats a completion.
        """
        clip, tokens = self.config.clip, rollout.samples.mask[rows].sum() / len(rows)  # a completion
        rows, counts = _dealt(rollout, rows)
        samples = rollout.samples[rows]  # indexing copies: what was made in inference mode may enter autograd
        mask, advantages = samples.mask, rollout.advantages[rows]

        log_ratio = token_log_probs(self.models.policy, samples) - rollout.log_probs[rows]
        ratio = log_ratio.exp()
        near = ratio.clamp(1 - clip, 1 + clip)
        policy_loss = masked_mean(torch.maximum(-advantages * ratio, -advantages * near), mask) * counts
        descend(policy_loss, self.models.policy, self.policy_optimiser, what="PPO", step=self.step)
        value_loss = (
            torch.zeros_like(policy_loss)
            if self.config.leave_one_out
            else self._learn_values(rollout, rows, counts)
        )

        ratio, log_ratio = ratio.detach(), log_ratio.detach()
        outside = masked_mean(((ratio - 1).abs() > clip).float(), mask) * counts
        moved = masked_mean(ratio - 1 - log_ratio, mask) * counts * tokens
        shares = torch.stack([policy_loss.detach(), value_loss, outside, moved])
        *losses, moved_mean = processes.gathered(shares[None], processes.size()).mean(0).tolist()
        policy_mean, value_mean, clipped = losses
        return (policy_mean, value_mean, clipped), moved_mean

    def _learn_values(self, rollout: Rollout, rows: Int[Tensor, " dealt"], counts: float | Tensor) -> Tensor:
        """One clipped step of the value model on these rows, weighed by `counts`: the loss, a scalar."""
        samples, clip = rollout.samples[rows], self.config.clip
        old_values, returns = rollout.values[rows], rollout.returns[rows]
        values = token_values(self.models.value, samples)
        near = old_values + (values - old_values).clamp(-clip, clip)
        squares = torch.maximum((values - returns) ** 2, (near - returns) ** 2)
        loss = 0.5 * masked_mean(squares, samples.mask) * counts
        descend(loss, self.models.value, self.value_optimiser, what="PPO: value", step=self.step)
        return loss.detach()

    def state(self) -> dict[str, Tensor]:
        """All that the next iteration depends on: both models, both optimisers, random state, step."""
        adaptive = {"kl_penalty": torch.tensor(self.kl_penalty, dtype=torch.float64)}
        return {
            **(adaptive if self.config.kl_target else {}),
            "generator": self.generator.get_state(),
            "step": torch.tensor(self.step),
            **training_state("policy.", self.models.policy, self.policy_optimiser),
            **training_state("value.", self.models.value, self.value_optimiser),
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `state` returned."""
        self.generator.set_state(tensors["generator"])
        self.step = int(tensors["step"])
        if self.config.kl_target:
            self.kl_penalty = float(tensors["kl_penalty"])
        restore_training(tensors, "policy.", self.models.policy, self.policy_optimiser)
        restore_training(tensors, "value.", self.models.value, self.value_optimiser)


def _dealt(rollout: Rollout, rows: Int[Tensor, " minibatch"]) -> tuple[Int[Tensor, " dealt"], float | Tensor]:
    """This process's share of a minibatch, and what its mean over tokens weighs in the mean of all processes."""
    mine, mask = processes.dealt(rows), rollout.samples.mask
    return mine, processes.weight(mask[mine].sum(), mask[rows].sum())


def token_values(model: PreTrainedModel, samples: Samples) -> Float[Tensor, "batch completion"]:
    """Value of the state before each completion token, from a one-logit model; 0 on padding."""
    values = model.score(states_before(model, samples))[:, 0].float()
    return values.new_zeros(samples.mask.shape).masked_scatter(samples.mask, values)
