"""The stages that every study of the world `reviews` starts with: its texts, their tokens, language models."""

from pathlib import Path
from typing import get_args

import numpy as np
import polars as pl
from jaxtyping import Int64

from overopt.data.reviews import load_reviews
from overopt.engine.stage import Job
from overopt.models.build import (
    ENCODED_AT_ONCE,
    count_parameters,
    encode_sentences,
    load_tokenizer,
    new_language_model,
    save_model,
    train_tokenizer,
)
from overopt.models.precision import frozen_dtype
from overopt.models.seeding import generator
from overopt.plan.stage_specs import CorpusSpec, LanguageModelSpec, TokenizerSpec
from overopt.study.parts import Half
from overopt.training.language_model import train_language_model, validation_loss
from overopt.util.files import write_json
from overopt.util.seeds import derive

HALVES = get_args(Half)
VALIDATION_SENTENCES = 1000  # of the language-model split, for its validation loss


def corpus(job: Job[CorpusSpec]) -> None:
    """Sentences and ratings, split; prompts of every use."""
    reviews = load_reviews(job.spec.seed)
    reviews.sentences.write_parquet(job.out / "sentences.parquet")
    reviews.ratings.write_parquet(job.out / "ratings.parquet")


def tokenizer(job: Job[TokenizerSpec]) -> None:
    """BPE trained on the language-model split; as much of that split, encoded, as language models will read.

    Sentences stand in random order, those for validation first. Where the text is halved, every other review is of the
    first half, and the column `half` says which sentence is of which.
    """
    sentences = of_split(job.parents["corpus"], "language_model")
    texts = sentences["text"].to_list()
    made = train_tokenizer(texts, job.spec.vocabulary)
    made.save_pretrained(job.out)
    order = np.random.default_rng(derive(job.spec.seed, "language model sentences")).permutation(len(texts))
    half = (halves(sentences) if job.spec.halved else np.zeros(len(texts), int))[order]
    rows: list[list[int]] = []
    wanted = np.full(2 if job.spec.halved else 1, job.spec.tokens)
    while wanted.max() > 0 and len(rows) < len(order):
        more = [texts[i] for i in order[len(rows) : len(rows) + ENCODED_AT_ONCE]]
        fresh = max(len(rows), VALIDATION_SENTENCES)
        rows += encode_sentences(more, made, job.spec.sentence_tokens)
        read = list(map(len, rows[fresh:]))
        wanted = wanted - np.bincount(half[fresh : len(rows)], read, len(wanted)).astype(int)
    table = pl.DataFrame({"tokens": rows}, schema={"tokens": pl.List(pl.UInt16)})
    if job.spec.halved:
        table = table.with_columns(half=pl.Series([HALVES[of] for of in half[: len(rows)]]))
    table.write_parquet(job.out / "rows.parquet")


def language_model(job: Job[LanguageModelSpec]) -> None:
    """A decoder trained on single sentences."""
    spec, tokenizer = job.spec, load_tokenizer(job.parents["tokenizer"])
    table = pl.read_parquet(job.parents["tokenizer"] / "rows.parquet")
    held_out, read = table["tokens"][:VALIDATION_SENTENCES], table[VALIDATION_SENTENCES:]
    text = (read.filter(half=spec.half) if spec.half else read)["tokens"]
    # no more rows than the budget can use: lists of all of them would fill a gigabyte
    enough = int((text.list.len().cum_sum() < spec.tokens).sum()) + spec.batch
    model = new_language_model(spec.shape, tokenizer, spec.positions, spec.seed)
    train_language_model(
        model.to(job.runtime.device),
        text[:enough].to_list(),
        tokens=spec.tokens,
        batch=spec.batch,
        learning_rate=spec.learning_rate,
        embedding_gain=spec.embedding_gain,
        generator=generator(spec.seed, "language model batches"),
        progress=job.progress,
        checkpoint=job.checkpoint,
    )
    if spec.kept == "bfloat16":
        model.bfloat16().float()  # as it will be read again
    loss = validation_loss(model, held_out.to_list())
    save_model(model.to(frozen_dtype(spec.kept)), job.out)
    write_json(job.out / "metrics.json", {"parameters": count_parameters(model), "validation_loss": loss})


def of_split(corpus: Path, split: str) -> pl.DataFrame:
    """Sentences of one split, with the review that each is from."""
    return pl.read_parquet(corpus / "sentences.parquet").filter(pl.col("split") == split)


def halves(sentences: pl.DataFrame) -> Int64[np.ndarray, " sentences"]:
    """Which of `HALVES` each sentence is of: every other review is of the first."""
    return sentences["review"].to_numpy() % 2
