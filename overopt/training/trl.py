"""TRL's trainers for models of other people: reward models and supervised fine-tuning, with LoRA where asked.

They run under accelerate: on several processes as on one. A run that was stopped starts its training anew: TRL's
checkpoints are pickles, which are never loaded here.
"""

import tempfile
from collections.abc import Callable
from typing import Any

from datasets import Dataset
from jaxtyping import Bool
from peft import LoraConfig
from torch import Tensor
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from trl import RewardConfig, RewardTrainer, SFTConfig, SFTTrainer
from trl.trainer.reward_trainer import DataCollatorForPreference

from overopt.models.precision import has_bfloat16
from overopt.models.samples import Samples
from overopt.models.seeding import isolated
from overopt.rewards.scoring import Rows
from overopt.study.pretrained_parts import LoRA
from overopt.training.optim import check_finite
from overopt.util import processes

Progress = Callable[[int, int], None]


def train_reward_model_with_trl(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    first: Samples,
    second: Samples,
    first_wins: Bool[Tensor, " pairs"],
    *,
    batch: int,
    epochs: int,
    learning_rate: float,
    seed: int,
    lora: LoRA | None = None,
    progress: Progress = lambda done, total: None,
) -> PreTrainedModel:
    """The model trained on pairs with TRL's RewardTrainer: the loss of `train_reward_model`, in other batches.

    With `lora`, the body learns through low-rank adapters, which are merged into it at the end.

    Raises:
        Diverged: if the loss is no longer finite.
    """
    rows = [_rows(part) for part in (first, second)]
    wins = first_wins.tolist()
    data = Dataset.from_dict(
        {
            "chosen_ids": [rows[0][k] if won else rows[1][k] for k, won in enumerate(wins)],
            "rejected_ids": [rows[1][k] if won else rows[0][k] for k, won in enumerate(wins)],
        }
    )
    # The score is read at the last token that does not pad: what pads must end no text, and EOS does.
    ends = {row[-1] for part in rows for row in part}
    pad = next(token for token in range(model.config.vocab_size) if token not in ends)
    before, model.config.pad_token_id = model.config.pad_token_id, pad
    with tempfile.TemporaryDirectory() as scratch, isolated(seed, "trl"):
        options = quiet_options(model, batch, learning_rate, seed)
        trainer = RewardTrainer(
            model,
            RewardConfig(scratch, num_train_epochs=epochs, max_length=None, **options),
            train_dataset=data,
            processing_class=tokenizer,
            data_collator=DataCollatorForPreference(pad),
            peft_config=adapters(lora, "SEQ_CLS"),
            callbacks=[_Watch("reward model", progress)],
        )
        trained = _run(trainer, lora)
    trained.config.pad_token_id = before
    return trained


def tune_with_trl(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Rows,
    *,
    steps: int,
    batch: int,
    learning_rate: float,
    seed: int,
    lora: LoRA | None = None,
    progress: Progress = lambda done, total: None,
) -> PreTrainedModel:
    """The language model after `steps` steps on token rows with TRL's SFTTrainer; every token is learnt.

    Raises:
        Diverged: if the loss is no longer finite.
    """
    with tempfile.TemporaryDirectory() as scratch, isolated(seed, "trl"):
        options = quiet_options(model, batch, learning_rate, seed)
        trainer = SFTTrainer(
            model,
            SFTConfig(scratch, max_steps=steps, max_length=None, packing=False, **options),
            train_dataset=Dataset.from_dict({"input_ids": rows}),
            processing_class=tokenizer,
            peft_config=adapters(lora, "CAUSAL_LM"),
            callbacks=[_Watch("supervised fine-tuning", progress)],
        )
        return _run(trainer, lora)


def _rows(samples: Samples) -> Rows:
    """Tokens of prompt and completion, without padding."""
    ids, lengths = samples.shifted_left()
    return [row[:length] for row, length in zip(ids.tolist(), lengths.tolist(), strict=True)]


def quiet_options(model: PreTrainedModel, batch: int, learning_rate: float, seed: int) -> dict[str, Any]:
    """What TRL's trainers share here: AdamW as in `overopt.training.optim`, nothing saved, nothing sent anywhere."""
    return {
        "per_device_train_batch_size": max(1, batch // processes.size()),
        "learning_rate": learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 0.05,
        "weight_decay": 0.01,
        "adam_beta2": 0.95,
        "max_grad_norm": 1.0,
        "seed": seed % 2**32,
        "use_cpu": model.device.type == "cpu",
        "bf16": has_bfloat16(model.device),
        "activation_checkpointing": False,
        "dataloader_drop_last": True,
        "dataloader_pin_memory": model.device.type != "cpu",
        "logging_steps": 10,
        "report_to": "none",
        "save_strategy": "no",
        "disable_tqdm": True,
    }


def adapters(lora: LoRA | None, task: str) -> LoraConfig | None:
    """What peft is asked for."""
    return LoraConfig(r=lora.rank, lora_alpha=lora.alpha, task_type=task) if lora else None


def _run(trainer: Any, lora: LoRA | None) -> PreTrainedModel:
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    trained = trainer.model.merge_and_unload() if lora else trainer.model
    return trained.eval()


class _Watch(TrainerCallback):
    """Reports steps, and stops at a loss that is no number."""

    def __init__(self, what: str, progress: Progress) -> None:
        self._what, self._progress = what, progress

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._progress(state.global_step, state.max_steps)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        if logs and "loss" in logs:
            check_finite(logs["loss"], f"{self._what}: loss", state.global_step)
