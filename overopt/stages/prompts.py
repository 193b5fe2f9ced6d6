"""Prompts as stages draw and encode them: of one use, none too long, wrapped as the study says."""

from collections.abc import Sequence

import polars as pl
from transformers import PreTrainedTokenizerFast

from overopt.data import reviews
from overopt.engine.stage import Job
from overopt.models.build import load_tokenizer, token_ids
from overopt.models.pretrained import encode
from overopt.models.samples import Prompts, encode_prompts
from overopt.plan.stage_specs import Prompting, Wrapping
from overopt.util.errors import UserError


def prompt_table(job: Job[Prompting], split: str, count: int) -> pl.DataFrame:
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
        seed = job.spec.corpus_seed
        assert seed is not None  # with a corpus of sentences
        found = reviews.prompts(sentences, split, job.spec.prompt_words, seed)
        short = short_prompts(job, tokenizer, found)
    if len(short) < count:
        raise UserError(f"prompts of split {split!r}: found {len(short)}, the study expects {count}")
    return short[:count]


def short_prompts(
    job: Job[Prompting], tokenizer: PreTrainedTokenizerFast, table: pl.DataFrame
) -> pl.DataFrame:
    """The rows whose prompt has at most the spec's `prompt_tokens` tokens, BOS included."""
    tokens = token_ids(tokenizer, table["prompt"].to_list())
    return table.filter(pl.Series([len(row) < job.spec.prompt_tokens for row in tokens], dtype=pl.Boolean))


def encoded_prompts(job: Job[Prompting], split: str, count: int) -> Prompts:
    """The prompts of `prompt_table`, encoded."""
    return encoded(job, prompt_table(job, split, count)["prompt"].to_list())


def encoded(job: Job[Wrapping], prompts: Sequence[str]) -> Prompts:
    """Prompts in the tokens of the job's tokenizer, wrapped as its study says."""
    tokenizer = load_tokenizer(job.parents["tokenizer"])
    if job.spec.chat is not None:
        return encode(prompts, tokenizer, most=job.spec.prompt_tokens, chat=job.spec.chat)
    return encode_prompts(list(prompts), tokenizer)
