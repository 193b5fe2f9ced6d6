"""A second way of reinforcement learning: REINFORCE with the other completions of a prompt as the baseline, by TRL.

Ahmadian et al. 2024. TRL draws and learns; what is measured is measured by whoever looks on, as for PPO: TRL logs KL per
token, the paper's is per completion.
"""

import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import torch
from datasets import Dataset
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from trl import RLOOConfig, RLOOTrainer

from overopt.models.samples import Prompts, Samples
from overopt.models.seeding import isolated
from overopt.optimisers.ppo import Reward
from overopt.study.pretrained_parts import RLOO, LoRA
from overopt.training.optim import check_finite
from overopt.training.trl import adapters, quiet_options
from overopt.util import processes


def train_with_rloo(
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[str],
    prompts: Prompts,
    reward: Reward,
    config: RLOO,
    *,
    completion_tokens: int,
    chat: bool,
    lora: LoRA | None,
    seed: int,
    on_look: Callable[[int, PreTrainedModel], float],
) -> PreTrainedModel:
    """The policy after RLOO against `reward`, a score of each completion; with `lora`, through adapters, merged at the end.

    `prompts` are the `questions`, encoded; with `chat` each is a user's turn. `on_look(step, policy)` is called before
    the first step, every `config.look_every` steps and at the end, and returns the policy's KL, nats: at `config.max_kl` the
    run ends.

    Raises:
        Diverged: if that KL is no longer finite.
    """

    def scores(completion_ids: list[list[int]], row: list[int], **_: Any) -> list[float]:
        """Rewards as TRL asks for them, of completions of the prompts in these rows."""
        samples = as_samples(prompts[torch.tensor(row)], completion_ids, completion_tokens, policy)
        with processes.alone():
            rewards: list[float] = reward(samples).tolist()
        return rewards

    turns = [[{"role": "user", "content": question}] for question in questions] if chat else questions
    options = quiet_options(policy, config.batch, config.learning_rate, seed)
    options |= {"lr_scheduler_type": "constant", "warmup_steps": 0, "weight_decay": 0.0}
    with tempfile.TemporaryDirectory() as scratch, isolated(seed, "trl"):
        trainer = RLOOTrainer(
            policy,
            scores,
            RLOOConfig(
                scratch,
                max_steps=config.max_steps,
                num_generations=config.completions,
                max_completion_length=completion_tokens,
                beta=0.0,  # no penalty, as in the paper's runs without one
                **options,
            ),
            train_dataset=Dataset.from_dict({"prompt": turns, "row": list(range(len(questions)))}),
            processing_class=tokenizer,
            peft_config=adapters(lora, "CAUSAL_LM"),
            callbacks=[_Looks(config, on_look)],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    trained = trainer.model.merge_and_unload() if lora else trainer.model
    return trained.eval()


def as_samples(
    prompts: Prompts, completions: Sequence[Sequence[int]], limit: int, policy: PreTrainedModel
) -> Samples:
    """Token lists as TRL gives them, EOS included, one for each of `prompts`."""
    lengths = torch.tensor(list(map(len, completions)))
    ids = torch.full((len(completions), limit), policy.config.pad_token_id)
    for k, row in enumerate(completions):
        ids[k, : len(row)] = torch.tensor(row)
    return Samples(prompts, ids, torch.arange(limit) < lengths[:, None])


class _Looks(TrainerCallback):
    """Looks at the policy before the first step, every `look_every` steps and at the end; stops it at `max_kl`."""

    def __init__(self, config: RLOO, on_look: Callable[[int, PreTrainedModel], float]) -> None:
        self.config, self.on_look = config, on_look

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        self._look(given["model"], 0)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        step, config = state.global_step, self.config
        if step % config.look_every == 0 or step == config.max_steps:
            control.should_training_stop |= self._look(given["model"], step) >= config.max_kl

    def _look(self, model: Any, step: int) -> float:
        """KL of the policy, nats."""
        policy = model.base_model.model if hasattr(model, "peft_config") else model
        learning = policy.training
        policy.eval()
        distance = self.on_look(step, policy)
        policy.train(learning)
        return check_finite(distance, "RLOO: KL", step)
