"""Training against TRL: one PPO iteration, and pairs for a reward model. Models have random weights."""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from transformers import GPT2LMHeadModel

from benchmarks.cases import (
    EOS,
    PROMPT,
    SIZES,
    completions,
    language_model,
    pass_sizes,
    products,
    prompts,
)
from benchmarks.measure import Ratio, Work, compare, seconds
from benchmarks.opponent import Trl
from overopt.models.build import new_reward_model, train_tokenizer
from overopt.models.precision import has_bfloat16
from overopt.models.samples import Samples
from overopt.optimisers.ppo import Models, Trainer
from overopt.rewards.scoring import score
from overopt.study.parts import Shape
from overopt.study.study import load_study
from overopt.training.reward_model import train_reward_model

PAIRS, PAIRS_A_STEP = 2048, 64
PROXIES = {  # shape, target and rounds
    "10k": (Shape(layers=1, width=28, heads=4), 2.0, 5),
    "100k": (Shape(layers=2, width=64, heads=4), 2.0, 3),
    "1M": (SIZES["1M"], 1.0, 3),
}


def hand_over(folder: Path, rows: dict[str, list], numbers: dict[str, int]) -> None:
    """Write what TRL is to train on and the arguments of its task, beside the models."""
    train_tokenizer(["one two"], 260).save_pretrained(folder / "tokenizer")
    (folder / "given.json").write_text(json.dumps({"rows": rows, "numbers": numbers}))


def training_products(shape: Shape, tokens: int, asked: int, logits: int, dtype: torch.dtype) -> Work:
    """The matrix products of a forward and a backward pass, see `pass_sizes`, and nothing else."""
    pairs = [
        (torch.rand(rows, left, dtype=dtype), torch.rand(left, right, dtype=dtype))
        for rows, left, right in pass_sizes(shape, tokens, asked, logits)
    ]

    def run() -> None:
        for left, right in pairs:
            out = left @ right
            out @ right.T  # gradient of the input, from one of the size of the output
            left.T @ out  # gradient of the weight

    return run


def ppo() -> Iterator[Ratio]:
    """One iteration with the shapes and settings of the study `laptop`, without a KL penalty.

    Prompts have 8 tokens. Completions have all 20, or 13 on average, as in the study, where texts end.
    """
    yield _ppo("PPO iteration, completions of 20 tokens", ends=False)
    yield _ppo("PPO iteration, completions of 13 tokens on average", ends=True)


def _ppo(name: str, *, ends: bool) -> Ratio:
    study = load_study("laptop")
    # weights stay as they are, so that completions stay equally long on both sides
    run = study.ppo.run.model_copy(update={"learning_rate": 1e-12, "value_learning_rate": 1e-12})
    limit, small, start = study.text.completion_tokens, study.models["100k"].shape, prompts(run.prompts)
    policy = language_model(study.models[study.policy].shape)
    if ends:
        _end_completions(policy, 5.5)
    value, proxy = (new_reward_model(language_model(small), seed).eval() for seed in (0, 1))
    trainer = Trainer(
        Models(policy, deepcopy(policy), value),
        lambda samples: score(proxy, samples),
        start,
        run,
        completion_tokens=limit,
        kl_penalty=0.0,
        generator=torch.Generator().manual_seed(0),
    )
    with TemporaryDirectory() as made:
        folder = Path(made)
        for model, part in ((policy, "policy"), (value, "value"), (proxy, "reward")):
            model.save_pretrained(folder / part)
        numbers = {"batch": run.batch, "minibatch": run.minibatch, "epochs": run.epochs, "tokens": limit}
        hand_over(folder, {"input_ids": start.ids.tolist()}, numbers)
        length = trainer.iterate().length
        with Trl("ppo", folder) as theirs:
            row = compare(
                name,
                f"TRL {theirs.said['version']} PPOTrainer",
                trainer.iterate,
                theirs,
                target=3.0,
                roofline=_ppo_products(study.models[study.policy].shape, small, run.batch, length, limit),
            )
    there = theirs.said["length"]
    if abs(there / length - 1) > 0.1:
        raise RuntimeError(f"{name}: found {length:.1f} tokens here and {there:.1f} there, expected as many")
    return row


def _end_completions(policy: GPT2LMHeadModel, logit: float) -> None:
    """Give EOS this logit everywhere, through the bias of the last norm; other logits are near 0."""
    direction = torch.randn(policy.config.n_embd, generator=torch.Generator().manual_seed(0))
    direction *= 10 / direction.norm()
    with torch.no_grad():
        policy.transformer.ln_f.bias.copy_(direction)
        policy.lm_head.weight[EOS] = direction * logit / 100


def _ppo_products(policy: Shape, small: Shape, batch: int, length: float, limit: int) -> Work:
    """Sample, score, values and, for a quarter of the batch, the reference; then steps on policy and values."""
    tokens = round(batch * length)  # of completions
    read = tokens + batch * (PROMPT - 1)  # the last token predicts nothing
    step = products(policy, tokens // limit, tokens // limit, tokens // limit)
    passes = [
        products(policy, batch * PROMPT, batch, batch),
        *[step] * (limit - 1),
        products(small, read + batch, batch, 0),
        products(small, read, tokens, 0),
        products(policy, read // 4, tokens // 4, tokens // 4),
        training_products(policy, read, tokens, tokens, torch.float32),
        training_products(small, read, tokens, 0, torch.float32),
    ]
    return lambda: [run() for run in passes]


def proxies() -> Iterator[Ratio]:
    """2,048 pairs in steps of 64, completions of 1 to 24 tokens; TRL takes them in random order, as it does by default."""
    for name, (shape, target, rounds) in PROXIES.items():
        yield _proxies(f"proxy training, {name}", shape, target, rounds)


def _proxies(name: str, shape: Shape, target: float, rounds: int) -> Ratio:
    draw = torch.Generator().manual_seed(0)
    start = prompts(PAIRS)
    sides = [completions(start, draw) for _ in range(2)]
    won = torch.ones(PAIRS, dtype=torch.bool)  # which one wins makes no difference to speed
    model = new_reward_model(language_model(shape), 0)

    def ours() -> None:
        train_reward_model(
            model,
            *sides,
            won,
            batch=PAIRS_A_STEP,
            epochs=1,
            learning_rate=1e-4,
            embedding_gain=1.0,
            generator=draw,
        )

    def theirs_of(side: Samples) -> list[list[int]]:
        return [row[inside].tolist() for row, inside in zip(*side.sequence(), strict=True)]

    steps = PAIRS // PAIRS_A_STEP
    # a pair shares its prompt
    tokens = (sum(int(side.mask.sum()) for side in sides) + PAIRS * PROMPT) // steps
    precisions = [torch.float32] + [torch.bfloat16] * has_bfloat16(model.device)
    asked = 2 * PAIRS_A_STEP
    step = min((training_products(shape, tokens, asked, 0, dtype) for dtype in precisions), key=seconds)
    with TemporaryDirectory() as made:
        folder = Path(made)
        model.save_pretrained(folder / "reward")
        rows = dict(zip(("chosen_ids", "rejected_ids"), map(theirs_of, sides), strict=True))
        hand_over(folder, rows, {"batch": PAIRS_A_STEP})
        with Trl("reward", folder) as theirs:
            return compare(
                name,
                f"TRL {theirs.said['version']} RewardTrainer",
                ours,
                theirs,
                target=target,
                roofline=lambda: [step() for _ in range(steps)],
                rounds=rounds,
            )
