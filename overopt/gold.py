"""The stages that make the gold reward model, and how well it judges what it was not trained on."""

from typing import Any

import numpy as np
import polars as pl
import torch
from transformers import PreTrainedTokenizerFast

from overopt.models import (
    count_parameters,
    load_language_model,
    load_tokenizer,
    new_reward_model,
)
from overopt.optimise import optimise
from overopt.reward import gold_scale, score
from overopt.sampling import encode_prompts, sample_many
from overopt.seeding import derive, generator
from overopt.spoil import SPOILT_KINDS, spoil
from overopt.stages import encode_sentences, prompt_table, save_model, write_json
from overopt.store import Job
from overopt.study import PPO
from overopt.training.gold import Rated, Rows, train_gold
from overopt.validity import rating_validity, spoilt_validity

HELD_OUT = 0.1  # share of the spoilt pairs that no training sees


def decoys(job: Job) -> None:
    """Texts of one policy optimised far against one throw-away reward model.

    The throw-away model is small and briefly trained: what a policy finds in its blind spots is what gold must not
    fall for. One that knows ratings alone is won by loops of praise, one that knows spoilt text too by text that is
    none. Nothing is evaluated on it.
    """
    spec, device, batch = job.spec, job.runtime.device, job.runtime.batch
    tokenizer = load_tokenizer(job.parents["tokenizer"])
    table = prompt_table(job, "decoys", spec["prompts"])
    judge = new_reward_model(load_language_model(job.parents["judge"] / "model"), spec["seed"]).to(device)
    train_gold(
        judge,
        rated_texts(job, tokenizer, "train"),
        spoilt_pairs(job, tokenizer, table, spec["seed"]) if spec["spoilt"] else {},
        steps=spec["reward_steps"],
        generator=generator(spec["seed"], "throw-away"),
        **spec["gold"],
    )
    prompts = encode_prompts(table["prompt"].to_list(), tokenizer)
    policy, reference = (load_language_model(job.parents["policy"] / "model", device) for _ in range(2))
    base = sample_many(
        reference,
        prompts,
        1,
        spec["completion_tokens"],
        generator=generator(spec["seed"], "base"),
        batch=batch,
    )
    scale = gold_scale(score(judge, base, batch=256))
    value_model = new_reward_model(load_language_model(job.parents["value_model"] / "model"), spec["seed"])
    looks = optimise(
        policy,
        reference,
        value_model.to(device),
        lambda samples: scale(score(judge, samples, batch=spec["ppo"]["minibatch"])),
        prompts,
        prompts,
        PPO(**spec["ppo"]),
        completion_tokens=spec["completion_tokens"],
        kl_penalty=0.0,
        seed=spec["seed"],
        batch=batch,
        progress=job.progress,
    )
    rows = []
    for look in looks:
        kl = look.kl[:, 0].mean().item()
        if kl < spec["min_kl"]:
            continue
        for prompt, ids, mask in zip(range(len(table)), look.samples.ids, look.samples.mask, strict=True):
            sentence = table["sentence"][prompt]
            rows.append({"kl": kl, "step": look.step, "sentence": sentence, "completion": ids[mask].tolist()})
    schema: dict[str, Any] = {
        "kl": pl.Float64,
        "step": pl.Int64,
        "sentence": pl.String,
        "completion": pl.List(pl.Int64),
    }
    pl.DataFrame(rows, schema=schema).write_parquet(job.out / "decoys.parquet")


def gold(job: Job) -> None:
    """The gold reward model, trained on ratings, spoilt text and decoys, and its held-out validity."""
    spec = job.spec
    tokenizer = load_tokenizer(job.parents["tokenizer"])
    table = prompt_table(job, "decoys", spec["prompts"])
    spoilt = spoilt_pairs(job, tokenizer, table, spec["seed"])
    spoilt["decoy"] = decoy_pairs(job, tokenizer)
    rng = np.random.default_rng(derive(spec["seed"], "held-out spoilt"))
    training, held_out = {}, {}
    for kind, (real, bad) in spoilt.items():
        order = rng.permutation(len(real)).tolist()
        cut = round(len(order) * HELD_OUT)
        held_out[kind] = ([real[i] for i in order[:cut]], [bad[i] for i in order[:cut]])
        training[kind] = ([real[i] for i in order[cut:]], [bad[i] for i in order[cut:]])
    base = load_language_model(job.parents["language_model"] / "model")
    model = new_reward_model(base, spec["seed"]).to(job.runtime.device)
    train_gold(
        model,
        rated_texts(job, tokenizer, "train"),
        training,
        steps=spec["steps"],
        generator=generator(spec["seed"], "gold"),
        progress=job.progress,
        **spec["gold"],
    )
    save_model(model, job.out)
    ratings = pl.read_parquet(job.parents["corpus"] / "ratings.parquet")
    rows = rated_texts(job, tokenizer, "test").rows
    report, rated_pairs = rating_validity(model, ratings, rows, seed=spec["seed"])
    spoilt_report = [
        spoilt_validity(kind, model, tokenizer, training[kind], held_out[kind]) for kind in held_out
    ]
    validity = {"params": count_parameters(model), **report, "pairs": [rated_pairs, *spoilt_report]}
    write_json(job.out / "validity.json", validity)


def rated_texts(job: Job, tokenizer: PreTrainedTokenizerFast, split: str) -> Rated:
    """The rated texts of one split as token rows."""
    table = pl.read_parquet(job.parents["corpus"] / "ratings.parquet").filter(pl.col("split") == split)
    return Rated(
        encode_sentences(table["text"].to_list(), tokenizer, job.spec["sentence_tokens"]),
        torch.tensor(table["rating"].to_list()),
        torch.tensor(table["rating_sd"].to_list()),
    )


def spoilt_pairs(
    job: Job, tokenizer: PreTrainedTokenizerFast, table: pl.DataFrame, seed: int
) -> dict[str, tuple[Rows, Rows]]:
    """(real, spoilt) token rows of each kind, one pair for each sentence of `table`, cut to a sample's length."""
    rng = np.random.default_rng(derive(seed, "spoil"))
    sentences = table["sentence"].to_list()
    real = cut_rows(job, tokenizer, sentences)
    others = rng.permutation(len(sentences))
    found = {}
    for kind in SPOILT_KINDS:
        words = job.spec["prompt_words"]
        bad = [
            spoil(text, words, kind, sentences[other], rng=rng)
            for text, other in zip(sentences, others, strict=True)
        ]
        found[kind] = (real, cut_rows(job, tokenizer, bad))
    weak = load_language_model(job.parents["weak_model"] / "model", job.runtime.device)
    prompts = encode_prompts(table["prompt"].to_list(), tokenizer)
    limit = job.spec["completion_tokens"]
    samples = sample_many(weak, prompts, 1, limit, generator=generator(seed, "weak"), batch=job.runtime.batch)
    ids, lengths = samples.shifted_left()
    weak_rows = [row[:length] for row, length in zip(ids.tolist(), lengths.tolist(), strict=True)]
    found["weak model"] = (real, weak_rows)
    return {kind: ending_alike(*rows, tokenizer.eos_token_id) for kind, rows in found.items()}


def decoy_pairs(job: Job, tokenizer: PreTrainedTokenizerFast) -> tuple[Rows, Rows]:
    """(real, decoy) token rows of every throw-away run."""
    folders = [folder for role, folder in job.parents.items() if role.startswith("decoys")]
    table = pl.concat([pl.read_parquet(folder / "decoys.parquet") for folder in folders])
    sentences = table["sentence"].to_list()
    prompts = [" ".join(sentence.split()[: job.spec["prompt_words"]]) for sentence in sentences]
    heads = encode_sentences(prompts, tokenizer, job.spec["prompt_tokens"])
    bad = [head[:-1] + tail for head, tail in zip(heads, table["completion"].to_list(), strict=True)]
    return ending_alike(cut_rows(job, tokenizer, sentences), bad, tokenizer.eos_token_id)


def ending_alike(real: Rows, spoilt: Rows, eos: int) -> tuple[Rows, Rows]:
    """The pairs, with both texts broken off at one length where only one of them ends in EOS.

    Policies that are pushed far seldom end a sentence. Without this, gold would learn to ask for an end, and half
    of what it says of a sample would be whether it fits the length limit.
    """
    alike = []
    for good, bad in zip(real, spoilt, strict=True):
        keep = None if (good[-1] == eos) == (bad[-1] == eos) else min(len(good), len(bad)) - 1
        alike.append((good[:keep], bad[:keep]))
    return [good for good, _ in alike], [bad for _, bad in alike]


def cut_rows(job: Job, tokenizer: PreTrainedTokenizerFast, sentences: list[str]) -> Rows:
    """Token rows that end where a sample of the same prompt would: at EOS or after `completion_tokens` tokens."""
    words, limit = job.spec["prompt_words"], job.spec["completion_tokens"]
    rows = encode_sentences(sentences, tokenizer, 10**6)
    prompts = tokenizer([" ".join(text.split()[:words]) for text in sentences], add_special_tokens=False)[
        "input_ids"
    ]
    return [row[: 1 + len(prompt) + limit] for row, prompt in zip(rows, prompts, strict=True)]
