"""TRL's side of a comparison, a process of its own: `python trl_rounds.py ppo|reward FOLDER`.

It runs in the environment of requirements.txt and knows nothing of `overopt`: models, tokenizer, rows and numbers
come from FOLDER. The trainer is held after every round, a PPO iteration or an epoch of pairs, until a line arrives on
stdin. A line of JSON on stdout says that a round is over.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
import trl
from datasets import Dataset
from transformers import (
    AutoTokenizer,
    GPT2ForSequenceClassification,
    GPT2LMHeadModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
)
from trl.experimental.ppo import PPOConfig, PPOTrainer

FOREVER = 10_000  # rounds: how many there are is decided on the other side
PLAIN = {  # nothing but training: no logging, saving, evaluation or checkpointing; float32, the faster precision here
    "use_cpu": True,
    "bf16": False,
    "gradient_checkpointing": False,
    "disable_tqdm": True,
    "report_to": "none",
    "logging_strategy": "no",
    "save_strategy": "no",
    "dataloader_pin_memory": False,
}


class Rounds(TrainerCallback):
    """Answers on stdout and holds the trainer; `lengths` are of completions, mean tokens a batch."""

    def __init__(self) -> None:
        self.answers, sys.stdout = sys.stdout, sys.stderr  # what the trainer prints is no answer
        self.lengths: list[float] = []

    def hold(self, *_: object, **__: object) -> None:
        """Say that the round is over; go on when asked to, end when nobody asks any more."""
        mean = sum(self.lengths) / max(1, len(self.lengths))
        print(json.dumps({"version": trl.__version__, "length": mean}), file=self.answers, flush=True)
        if not sys.stdin.readline():
            sys.exit()

    on_train_begin = hold


class Iterations(Rounds):
    """A round is one PPO iteration."""

    on_step_end = Rounds.hold


class Epochs(Rounds):
    """A round is one pass over the rows."""

    on_epoch_end = Rounds.hold


def ppo(folder: Path, rows: Dataset, batch: int, minibatch: int, epochs: int, tokens: int) -> Trainer:
    """Batch arithmetic: a device batch is cut into `num_mini_batches` with one optimiser step each; gradient
    accumulation, the other way to cut it, would skip steps."""
    policy, reference = (
        GPT2LMHeadModel.from_pretrained(folder / "policy", use_safetensors=True) for _ in range(2)
    )
    value, proxy = (
        GPT2ForSequenceClassification.from_pretrained(folder / part, use_safetensors=True)
        for part in ("value", "reward")
    )
    rounds, generate = Iterations(), policy.generate

    def counting(**inputs: Any) -> Any:
        output = generate(**inputs)
        completions = output.sequences[:, inputs["input_ids"].shape[1] :]
        rounds.lengths.append((completions != policy.config.pad_token_id).sum(-1).float().mean().item())
        return output

    policy.generate = counting
    config = PPOConfig(
        str(folder / "trained"),
        per_device_train_batch_size=batch,
        num_mini_batches=batch // minibatch,
        num_ppo_epochs=epochs,
        total_episodes=batch * FOREVER,
        response_length=tokens,
        stop_token="eos",
        temperature=1.0,
        kl_coef=0.0,
        num_sample_generations=0,
        learning_rate=1e-12,  # as on the other side
        **PLAIN,
    )
    trainer = PPOTrainer(
        config,
        AutoTokenizer.from_pretrained(folder / "tokenizer"),
        policy,
        reference,
        proxy,
        rows,
        value,
        callbacks=[rounds],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def reward(folder: Path, rows: Dataset, batch: int) -> Trainer:
    """Pairs come tokenised; the optimiser is the default, fused AdamW."""
    config = trl.RewardConfig(
        str(folder / "trained"),
        per_device_train_batch_size=batch,
        num_train_epochs=FOREVER,
        max_length=None,
        **PLAIN,
    )
    return trl.RewardTrainer(
        GPT2ForSequenceClassification.from_pretrained(folder / "reward", use_safetensors=True),
        config,
        train_dataset=rows,
        processing_class=AutoTokenizer.from_pretrained(folder / "tokenizer"),
        callbacks=[Epochs()],
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    task, folder = {"ppo": ppo, "reward": reward}[sys.argv[1]], Path(sys.argv[2])
    given = json.loads((folder / "given.json").read_text())
    task(folder, Dataset.from_dict(given["rows"]), **given["numbers"]).train()
