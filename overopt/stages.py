"""The first stages of a study, each a pure function of its spec and its parents: data, models, pairs, proxies.

`plan.py` says which stages a study has; this file and `gold.py` and `curve_stages.py` say what each does. A stage
reads `job.spec` and `job.parents` and writes files into `job.out`, nothing else.
"""

from pathlib import Path

import numpy as np
import polars as pl
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from overopt import data
from overopt.errors import UserError
from overopt.files import write_json
from overopt.golds import Gold, load_gold
from overopt.models import (
    Shape,
    count_parameters,
    load_language_model,
    load_tokenizer,
    new_language_model,
    token_ids,
    train_tokenizer,
)
from overopt.precision import frozen_dtype
from overopt.preferences import Pairs, pair_up
from overopt.pretrained import encode
from overopt.reward import Scale, gold_scale
from overopt.samples import Prompts, Samples, concatenate, encode_prompts
from overopt.sampling import sample_many
from overopt.seeding import generator
from overopt.seeds import derive
from overopt.stage import Job
from overopt.training.language_model import train_language_model, validation_loss
from overopt.with_vllm import load_engine, sample_with_vllm

ENCODED_AT_ONCE = 8192  # a tokenizer keeps two kilobytes a text while it encodes
VALIDATION_SENTENCES = 1000  # of the language-model split, for its validation loss


def corpus(job: Job) -> None:
    """Sentences and ratings, split; prompts of every use."""
    world = data.load_world(job.spec["seed"])
    world.sentences.write_parquet(job.out / "sentences.parquet")
    world.ratings.write_parquet(job.out / "ratings.parquet")


def tokenizer(job: Job) -> None:
    """BPE trained on the language-model split; as much of that split, encoded, as language models will read.

    Sentences stand in random order, those for validation first.
    """
    texts = split_texts(job.parents["corpus"], "language_model")
    made = train_tokenizer(texts, job.spec["vocabulary"])
    made.save_pretrained(job.out)
    order = np.random.default_rng(derive(job.spec["seed"], "language model sentences")).permutation(
        len(texts)
    )
    rows: list[list[int]] = []
    wanted = job.spec["tokens"]
    while wanted > 0 and len(rows) < len(order):
        more = [texts[i] for i in order[len(rows) : len(rows) + ENCODED_AT_ONCE]]
        fresh = len(rows)
        rows += encode_sentences(more, made, job.spec["sentence_tokens"])
        wanted -= sum(map(len, rows[max(fresh, VALIDATION_SENTENCES) :]))
    pl.DataFrame({"tokens": rows}, schema={"tokens": pl.List(pl.UInt16)}).write_parquet(
        job.out / "rows.parquet"
    )


def language_model(job: Job) -> None:
    """A decoder trained on single sentences."""
    spec, tokenizer = job.spec, load_tokenizer(job.parents["tokenizer"])
    table = pl.read_parquet(job.parents["tokenizer"] / "rows.parquet")["tokens"]
    # no more rows than the budget can use: lists of all of them would fill a gigabyte
    enough = int((table[VALIDATION_SENTENCES:].list.len().cum_sum() < spec["tokens"]).sum()) + spec["batch"]
    rows = table[: VALIDATION_SENTENCES + enough].to_list()
    model = new_language_model(Shape(**spec["shape"]), tokenizer, spec["positions"], spec["seed"])
    train_language_model(
        model.to(job.runtime.device),
        rows[VALIDATION_SENTENCES:],
        tokens=spec["tokens"],
        batch=spec["batch"],
        learning_rate=spec["learning_rate"],
        embedding_gain=spec["embedding_gain"],
        generator=generator(spec["seed"], "language model batches"),
        progress=job.progress,
        checkpoint=job.checkpoint,
    )
    loss = validation_loss(model, rows[:VALIDATION_SENTENCES])
    save_model(model, job.out)
    write_json(job.out / "metrics.json", {"parameters": count_parameters(model), "validation_loss": loss})


def pairs(job: Job) -> None:
    """Samples of a policy in pairs that share a prompt, scored by gold; pairs of one prompt stand in a row."""
    spec = job.spec
    prompts = encoded_prompts(job, "pairs", spec["skip"] + spec["prompts"])[spec["skip"] :]
    samples = drawn(job, prompts, 2 * spec["per_prompt"], "pairs", spec["skip"])
    gold = load_gold(
        job.parents["gold"],
        load_tokenizer(job.parents["tokenizer"]),
        job.runtime.device,
        frozen_dtype(spec),
    )
    samples.save(job.out / "samples.safetensors")
    save_file({"gold": gold.score(samples, batch=job.runtime.batch)}, job.out / "gold.safetensors")


def load_pairs(folder: Path) -> Pairs:
    """The labelled pairs of a `pairs` stage."""
    return pair_up(
        Samples.load(folder / "samples.safetensors"), load_file(folder / "gold.safetensors")["gold"]
    )


def samples(job: Job) -> None:
    """Base-policy samples of some of the evaluation prompts, or of the prompts for show."""
    spec = job.spec
    if spec["use"] == "show":
        prompts = encoded(job, spec["show_prompts"])
    else:
        # encoded with all others, so that every part is padded to the same width
        prompts = encoded_prompts(job, "evaluation", spec["prompts"])[spec["first"] : spec["last"]]
    made = drawn(job, prompts, spec["samples"], "pool", spec["use"], spec.get("first", 0))
    made.save(job.out / "samples.safetensors")


def drawn(job: Job, prompts: Prompts, per_prompt: int, *stream: str | int) -> Samples:
    """Completions of the job's policy, with the random numbers of one named stream."""
    spec, folder = job.spec, job.parents["policy"] / "model"
    if spec.get("sampler") == "vllm":
        engine, tokenizer = load_engine(folder), load_tokenizer(folder)
        ends = {"eos": tokenizer.eos_token_id, "pad": tokenizer.pad_token_id or 0}
        seed = derive(spec["seed"], *stream)
        return sample_with_vllm(engine, prompts, per_prompt, spec["completion_tokens"], seed=seed, **ends)
    return sample_many(
        load_language_model(folder, job.runtime.device),
        prompts,
        per_prompt,
        spec["completion_tokens"],
        generator=generator(spec["seed"], *stream),
        batch=job.runtime.batch,
        progress=job.progress,
    )


def pool(job: Job) -> None:
    """All samples of the evaluation prompts, and those of the prompts for show, scored by gold.

    The evaluation samples of the study's policy fix gold's scale: base policy at 0, standard deviation 1. A pool of
    another policy has the study's pool as a parent and stays on that scale.
    """
    parts = [Samples.load(job.parents[f"part_{k}"] / "samples.safetensors") for k in range(job.spec["parts"])]
    found = {"evaluation": concatenate(parts)}
    if "show" in job.parents:
        found["show"] = Samples.load(job.parents["show"] / "samples.safetensors")
    for use, samples in found.items():
        samples.save(job.out / f"{use}.safetensors")
    judges = gold_judges(job)
    for k, (name, judge) in enumerate(judges.items()):
        raw = {use: judge.score(samples, batch=job.runtime.batch) for use, samples in found.items()}
        shared = job.parents.get("pool")
        scale = Scale.load(shared, name) if shared else gold_scale(raw["evaluation"])
        scale.save(job.out, name)
        save_file({use: scale(scores) for use, scores in raw.items()}, job.out / f"{name}.safetensors")
        job.progress(k + 1, len(judges))


def gold_judges(job: Job) -> dict[str, Gold]:
    """Gold, and the second gold where the study has one, by the name of its parent."""
    tokenizer = load_tokenizer(job.parents["tokenizer"])
    return {
        role: load_gold(job.parents[role], tokenizer, job.runtime.device, frozen_dtype(job.spec))
        for role in ("gold", "second_gold")
        if role in job.parents
    }


def split_texts(corpus: Path, split: str) -> list[str]:
    """Sentences of one split."""
    return pl.read_parquet(corpus / "sentences.parquet").filter(pl.col("split") == split)["text"].to_list()


def encode_sentences(texts: list[str], tokenizer: PreTrainedTokenizerFast, limit: int) -> list[list[int]]:
    """BOS, tokens and EOS of each text, cut at `limit` tokens."""
    rows = []
    for start in range(0, len(texts), ENCODED_AT_ONCE):
        part = texts[start : start + ENCODED_AT_ONCE]
        for row in token_ids(tokenizer, part):
            rows.append([tokenizer.bos_token_id, *row, tokenizer.eos_token_id][:limit])
    return rows


def prompt_table(job: Job, split: str, count: int) -> pl.DataFrame:
    """`count` prompts of `split`, none over the spec's `prompt_tokens` tokens, with their sentences if they are openings.

    Raises:
        UserError: if the split holds fewer.
    """
    whole = job.parents["corpus"] / "prompts.parquet"
    if whole.is_file():  # a world whose prompts are no openings of sentences
        short = pl.read_parquet(whole).filter(use=split)
    else:
        tokenizer = load_tokenizer(job.parents["tokenizer"])
        sentences = pl.read_parquet(job.parents["corpus"] / "sentences.parquet")
        found = data.prompts(sentences, split, job.spec["prompt_words"], job.spec["corpus_seed"])
        short = short_prompts(job, tokenizer, found)
    if len(short) < count:
        raise UserError(f"prompts of split {split!r}: found {len(short)}, the study expects {count}")
    return short[:count]


def short_prompts(job: Job, tokenizer: PreTrainedTokenizerFast, table: pl.DataFrame) -> pl.DataFrame:
    """The rows whose prompt has at most the spec's `prompt_tokens` tokens, BOS included."""
    tokens = token_ids(tokenizer, table["prompt"].to_list())
    return table.filter(pl.Series([len(row) < job.spec["prompt_tokens"] for row in tokens], dtype=pl.Boolean))


def encoded_prompts(job: Job, split: str, count: int) -> Prompts:
    """The prompts of `prompt_table`, encoded."""
    return encoded(job, prompt_table(job, split, count)["prompt"].to_list())


def encoded(job: Job, prompts: list[str]) -> Prompts:
    """Prompts in the tokens of the job's tokenizer, wrapped as its study says."""
    tokenizer = load_tokenizer(job.parents["tokenizer"])
    if "chat" in job.spec:
        return encode(prompts, tokenizer, most=job.spec["prompt_tokens"], chat=job.spec["chat"])
    return encode_prompts(prompts, tokenizer)


def save_model(model: PreTrainedModel, out: Path) -> None:
    """`out/model`, loadable with transformers' `from_pretrained`."""
    model.save_pretrained(out / "model")
