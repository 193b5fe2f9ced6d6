"""The stages that make the rating half of gold: word vectors, and models of human ratings that start from them."""

import polars as pl
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerFast

from overopt.data.word_vectors import word_vectors as vectors_of
from overopt.engine.stage import Job
from overopt.models.build import (
    encode_sentences,
    load_tokenizer,
    new_language_model,
    new_reward_model,
    save_model,
    train_tokenizer,
)
from overopt.models.precision import frozen_dtype
from overopt.models.seeding import generator
from overopt.plan import stage_specs as specs
from overopt.stages.text import of_split
from overopt.training.rating_model import Rated, train_rating_model


def word_vectors(job: Job[specs.WordVectorsSpec]) -> None:
    """The rating model's tokenizer, and a vector of each of its tokens, from counts over reviews and rated texts."""
    sentences = of_split(job.parents["corpus"], "language_model")[: job.spec.sentences]
    rated = pl.read_parquet(job.parents["corpus"] / "ratings.parquet").filter(pl.col("split") == "train")
    texts = sentences["text"].to_list() + rated["text"].to_list()
    made = train_tokenizer(texts, job.spec.vocabulary, lowercase=True)
    made.save_pretrained(job.out)
    rows = encode_sentences(texts, made, 10**6)
    vectors = vectors_of(rows, sentences["label"].to_list(), len(made), job.spec.width)
    save_file({"vectors": torch.from_numpy(vectors)}, job.out / "vectors.safetensors")


def rating_model(job: Job[specs.RatingModelSpec]) -> None:
    """One model of human ratings, started from word vectors."""
    spec, vectors = job.spec, job.parents["word_vectors"]
    tokenizer = load_tokenizer(vectors)
    base = new_language_model(spec.shape, tokenizer, spec.sentence_tokens, spec.seed)
    with torch.no_grad():
        base.get_input_embeddings().weight.copy_(load_file(vectors / "vectors.safetensors")["vectors"])
    model = new_reward_model(base, spec.seed).to(job.runtime.device)
    train_rating_model(
        model,
        rated_texts(job, tokenizer, "train"),
        generator=generator(spec.seed, "ratings"),
        progress=job.progress,
        checkpoint=job.checkpoint,
        **dict(spec.training),
    )
    save_model(model.to(frozen_dtype(spec.kept)), job.out)
    tokenizer.save_pretrained(job.out / "model")


def rated_texts(
    job: Job[specs.Rated], tokenizer: PreTrainedTokenizerFast, split: str, *, limit: int | None = None
) -> Rated:
    """The rated texts of one split as token rows, cut at `limit` tokens (default: the spec's `sentence_tokens`).

    Ratings are means over the spec's `raters`: see `overopt.data.reviews.Reviews`.
    """
    table = pl.read_parquet(job.parents["corpus"] / "ratings.parquet").filter(pl.col("split") == split)
    return Rated(
        encode_sentences(table["text"].to_list(), tokenizer, limit or job.spec.sentence_tokens),
        torch.tensor(table["rating" + job.spec.raters].to_list()),
        torch.tensor(table["rating_sd" + job.spec.raters].to_list()),
    )
