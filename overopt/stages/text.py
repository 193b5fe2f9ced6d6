"""The stages that every study of the world `reviews` starts with: its texts, their tokens, language models."""

from pathlib import Path

import numpy as np
import polars as pl

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
from overopt.models.seeding import generator
from overopt.plan.stage_specs import CorpusSpec, LanguageModelSpec, TokenizerSpec
from overopt.training.language_model import train_language_model, validation_loss
from overopt.util.files import write_json
from overopt.util.seeds import derive

VALIDATION_SENTENCES = 1000  # of the language-model split, for its validation loss


def corpus(job: Job[CorpusSpec]) -> None:
    """Sentences and ratings, split; prompts of every use."""
    reviews = load_reviews(job.spec.seed)
    reviews.sentences.write_parquet(job.out / "sentences.parquet")
    reviews.ratings.write_parquet(job.out / "ratings.parquet")


def tokenizer(job: Job[TokenizerSpec]) -> None:
    """BPE trained on the language-model split; as much of that split, encoded, as language models will read.

    Sentences stand in random order, those for validation first.
    """
    texts = split_texts(job.parents["corpus"], "language_model")
    made = train_tokenizer(texts, job.spec.vocabulary)
    made.save_pretrained(job.out)
    order = np.random.default_rng(derive(job.spec.seed, "language model sentences")).permutation(len(texts))
    rows: list[list[int]] = []
    wanted = job.spec.tokens
    while wanted > 0 and len(rows) < len(order):
        more = [texts[i] for i in order[len(rows) : len(rows) + ENCODED_AT_ONCE]]
        fresh = len(rows)
        rows += encode_sentences(more, made, job.spec.sentence_tokens)
        wanted -= sum(map(len, rows[max(fresh, VALIDATION_SENTENCES) :]))
    pl.DataFrame({"tokens": rows}, schema={"tokens": pl.List(pl.UInt16)}).write_parquet(
        job.out / "rows.parquet"
    )


def language_model(job: Job[LanguageModelSpec]) -> None:
    """A decoder trained on single sentences."""
    spec, tokenizer = job.spec, load_tokenizer(job.parents["tokenizer"])
    table = pl.read_parquet(job.parents["tokenizer"] / "rows.parquet")["tokens"]
    # no more rows than the budget can use: lists of all of them would fill a gigabyte
    enough = int((table[VALIDATION_SENTENCES:].list.len().cum_sum() < spec.tokens).sum()) + spec.batch
    rows = table[: VALIDATION_SENTENCES + enough].to_list()
    model = new_language_model(spec.shape, tokenizer, spec.positions, spec.seed)
    train_language_model(
        model.to(job.runtime.device),
        rows[VALIDATION_SENTENCES:],
        tokens=spec.tokens,
        batch=spec.batch,
        learning_rate=spec.learning_rate,
        embedding_gain=spec.embedding_gain,
        generator=generator(spec.seed, "language model batches"),
        progress=job.progress,
        checkpoint=job.checkpoint,
    )
    loss = validation_loss(model, rows[:VALIDATION_SENTENCES])
    save_model(model, job.out)
    write_json(job.out / "metrics.json", {"parameters": count_parameters(model), "validation_loss": loss})


def split_texts(corpus: Path, split: str) -> list[str]:
    """Sentences of one split."""
    return pl.read_parquet(corpus / "sentences.parquet").filter(pl.col("split") == split)["text"].to_list()
