"""The stage that optimises a policy against one proxy with TRL's RLOO: a second way of reinforcement learning.

REINFORCE with the other completions of a prompt as the baseline (Ahmadian et al. 2024). TRL draws and learns; what is
measured is measured by us, as for PPO: TRL logs KL per token, the paper's is per completion.
"""

import math
import tempfile
from collections.abc import Sequence
from typing import Any

import torch
from datasets import Dataset
from transformers import (
    PreTrainedModel,
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from trl import RLOOConfig, RLOOTrainer

from overopt import together
from overopt.models import load_language_model, load_tokenizer
from overopt.optimise import Evaluation, evaluate
from overopt.precision import frozen_dtype
from overopt.pretrained_specs import RLOO, LoRA
from overopt.samples import Prompts, Samples
from overopt.seeding import generator, isolated
from overopt.seeds import derive
from overopt.stage import Job
from overopt.stages import encoded, prompt_table, save_model
from overopt.training.optim import check_finite
from overopt.training.with_trl import adapters, quiet_options
from overopt.watch import Watch


def rloo(job: Job) -> None:
    """A policy trained against one proxy with RLOO, evaluated by gold on the evaluation prompts along the way."""
    spec, device = job.spec, job.runtime.device
    config = RLOO(**spec["rloo"])
    folder = job.parents["policy"] / "model"
    policy = load_language_model(folder, device)
    reference = load_language_model(folder, device, frozen_dtype(spec))
    watch = Watch(job, "rloo", minibatch=config.batch, evaluation_samples=config.evaluation_samples)
    asked = prompt_table(job, "policy", config.prompts)["prompt"].to_list()
    prompts = encoded(job, asked)

    def reward(
        prompts_: Sequence[Any], completion_ids: list[list[int]], row: list[int], **_: Any
    ) -> list[float]:
        texts = as_samples(prompts[torch.tensor(row)], completion_ids, spec["completion_tokens"], policy)
        with together.alone():
            found: list[float] = watch.judges["proxy"](texts).tolist()
        return found

    turns = [[{"role": "user", "content": prompt}] for prompt in asked] if spec.get("chat") else asked
    seed = derive(spec["seed"], "rloo")
    options = quiet_options(policy, config.batch, config.learning_rate, seed)
    options |= {"lr_scheduler_type": "constant", "warmup_steps": 0, "weight_decay": 0.0}
    lora = LoRA(**spec["lora"]) if "lora" in spec else None
    with tempfile.TemporaryDirectory() as scratch, isolated(seed, "trl"):
        trainer = RLOOTrainer(
            policy,
            lambda prompts, **rest: reward(prompts, **rest),
            RLOOConfig(
                scratch,
                max_steps=config.max_steps,
                num_generations=config.completions,
                max_completion_length=spec["completion_tokens"],
                beta=0.0,  # no penalty, as in the paper's runs without one
                **options,
            ),
            train_dataset=Dataset.from_dict({"prompt": turns, "row": list(range(len(asked)))}),
            processing_class=load_tokenizer(folder),
            peft_config=adapters(lora, "CAUSAL_LM"),
            callbacks=[_Look(job, config, watch, reference)],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    watch.write()
    trained = trainer.model.merge_and_unload() if lora else trainer.model
    save_model(trained.eval(), job.out)


def as_samples(
    prompts: Prompts, completions: Sequence[Sequence[int]], limit: int, policy: PreTrainedModel
) -> Samples:
    """Token lists as TRL gives them, EOS included, one for each of `prompts`."""
    lengths = torch.tensor(list(map(len, completions)))
    ids = torch.full((len(completions), limit), policy.config.pad_token_id)
    for k, row in enumerate(completions):
        ids[k, : len(row)] = torch.tensor(row)
    return Samples(prompts, ids, torch.arange(limit) < lengths[:, None])


class _Look(TrainerCallback):
    """Looks at the policy before the first step, every `look_every` steps and at the end; stops it at `max_kl`."""

    def __init__(self, job: Job, config: RLOO, watch: Watch, reference: PreTrainedModel) -> None:
        self.job, self.config, self.watch, self.reference = job, config, watch, reference

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
        spec = self.job.spec
        samples, kl = evaluate(
            policy,
            self.reference,
            self.watch.prompts,
            self.config.evaluation_samples,
            spec["completion_tokens"],
            generator=generator(spec["seed"], "evaluation", step),
            batch=self.job.runtime.batch,
        )
        self.watch.look(Evaluation(step, samples, kl, None), policy)
        policy.train(learning)
        distance = check_finite(kl[:, 0].mean().item(), "RLOO: KL", step)
        share = max(step / self.config.max_steps, math.sqrt(max(0.0, distance) / self.config.max_kl))
        if together.rank() == 0:
            self.job.progress(round(1000 * min(1.0, share)), 1000)
        return distance
