"""Pairs of a real text and a spoilt one: what judges of language are trained and tested on."""

import zlib
from collections.abc import Mapping

import numpy as np
import polars as pl
from transformers import PreTrainedTokenizerFast

from overopt.data.reviews import TEXT_SPLIT, openings
from overopt.data.spoil import CORRUPTIONS, spoil
from overopt.engine.stage import Job
from overopt.models.build import encode_sentences, token_ids
from overopt.models.samples import Samples, split_rows
from overopt.plan.stage_specs import GatedGoldSpec, RealTextSpec, SharpenedSpec
from overopt.rewards.scoring import Rows
from overopt.stages.prompts import prompt_table, short_prompts
from overopt.stages.text import HALVES, halves, of_split
from overopt.util.errors import UserError
from overopt.util.seeds import derive

HELD_OUT = 10  # one sentence in so many is kept from training, with all its spoilt forms

Pairs = dict[str, tuple[Rows, Rows]]
Asked = RealTextSpec | GatedGoldSpec | SharpenedSpec  # with a seed, and prompts of the world `reviews`


def is_held_out(sentence: str) -> bool:
    """Whether pairs of this sentence serve testing only. The sentence decides: none stands on two sides."""
    return zlib.crc32(sentence.encode()) % HELD_OUT == 0


def trained_pairs(job: Job[RealTextSpec], tokenizer: PreTrainedTokenizerFast) -> Pairs:
    """(real, spoilt) token rows of each kind of `CORRUPTIONS`, cut to a sample's length: what a classifier learns from.

    The kinds share the sentences: each is spoilt in one way.
    """
    sentences = spoilt_sentences(job, tokenizer, job.spec.texts, held_out=False) + read_sentences(
        job, tokenizer
    )
    order = np.random.default_rng(derive(job.spec.seed, "shared sentences")).permutation(len(sentences))
    shares = (order[k :: len(CORRUPTIONS)] for k in range(len(CORRUPTIONS)))
    told = {kind: [sentences[i] for i in share] for kind, share in zip(CORRUPTIONS, shares, strict=True)}
    return _spoilt(job, tokenizer, told, held_out=False)


def held_out_pairs(job: Job[Asked], tokenizer: PreTrainedTokenizerFast, texts: int) -> Pairs:
    """The same of sentences that no classifier learns from, every one spoilt in every way."""
    sentences = spoilt_sentences(job, tokenizer, texts, held_out=True)
    return _spoilt(job, tokenizer, dict.fromkeys(CORRUPTIONS, sentences), held_out=True)


def _spoilt(
    job: Job[Asked], tokenizer: PreTrainedTokenizerFast, sentences: Mapping[str, list[str]], *, held_out: bool
) -> Pairs:
    """The pairs of `sentences[kind]`; what is put into a completion are tokens of any."""
    eos, limit = tokenizer.eos_token_id, job.spec.completion_tokens
    rows, heads, completions = {}, {}, {}
    for kind, texts in sentences.items():
        heads[kind] = prompt_lengths(job, tokenizer, texts)
        rows[kind] = cut_rows(job, tokenizer, texts, heads[kind])
        real = zip(rows[kind], heads[kind], strict=True)
        completions[kind] = [[token for token in row[head:] if token != eos] for row, head in real]
    tokens = [token for found in completions.values() for completion in found for token in completion]
    rng = np.random.default_rng(derive(job.spec.seed, "spoil", held_out))
    pairs = {}
    for kind, found in completions.items():
        spoilt = [[*spoil(completion, kind, tokens, rng=rng), eos][:limit] for completion in found]
        bad = [row[:head] + tail for row, head, tail in zip(rows[kind], heads[kind], spoilt, strict=True)]
        pairs[kind] = ending_alike(rows[kind], bad, eos)
    return pairs


def read_sentences(job: Job[RealTextSpec], tokenizer: PreTrainedTokenizerFast) -> list[str]:
    """`read` sentences of the spec's `half` of what language models read.

    With few sentences a classifier knows them by heart, and finds one new real text in twenty surely spoilt.

    Raises:
        UserError: if there are fewer.
    """
    spec = job.spec
    sentences = of_split(job.parents["corpus"], "language_model")
    if spec.half:
        sentences = sentences.filter(halves(sentences) == HALVES.index(spec.half))
    texts = sentences["text"].sample(fraction=1, shuffle=True, seed=derive(spec.seed, "read")).to_list()
    opened = openings(texts, spec.prompt_words)[: 2 * spec.read]
    table = pl.DataFrame(opened, schema={"prompt": pl.String, "sentence": pl.String}, orient="row")
    found = short_prompts(job, tokenizer, table)["sentence"].to_list()
    if len(found) < spec.read:
        raise UserError(
            f"gold.real.read: found {spec.read}, expected at most {len(found)} sentences of language models"
        )
    return found[: spec.read]


def spoilt_sentences(
    job: Job[Asked], tokenizer: PreTrainedTokenizerFast, texts: int, *, held_out: bool
) -> list[str]:
    """`texts` review sentences and as many rated texts for training, those that are held out or the others.

    Gold is asked about both, and what a text is about must not decide whether it is real.
    """
    seed, count, prompt_words = job.spec.seed, texts, job.spec.prompt_words
    rated = pl.read_parquet(job.parents["corpus"] / "ratings.parquet").filter(
        (pl.col("split") == "train") & (pl.col("source") != "words")
    )
    rated = rated.sample(fraction=1, shuffle=True, seed=derive(seed, "spoilt ratings"))
    opened = pl.DataFrame(
        openings(rated["text"].to_list(), prompt_words), schema=["prompt", "sentence"], orient="row"
    )
    table = pl.concat([prompt_table(job, TEXT_SPLIT, count), short_prompts(job, tokenizer, opened)[:count]])
    return [text for text in table["sentence"].to_list() if is_held_out(text) == held_out]


def spoilt_samples(
    job: Job[Asked], tokenizer: PreTrainedTokenizerFast, texts: int
) -> dict[str, tuple[Samples, Samples]]:
    """`held_out_pairs` as samples: prompt and completion apart."""
    heads = prompt_lengths(job, tokenizer, spoilt_sentences(job, tokenizer, texts, held_out=True))
    pairs = held_out_pairs(job, tokenizer, texts)
    return {
        kind: (split_rows(real, heads, tokenizer), split_rows(bad, heads, tokenizer))
        for kind, (real, bad) in pairs.items()
    }


def real_samples(job: Job[Asked], tokenizer: PreTrainedTokenizerFast, sentences: list[str]) -> Samples:
    """Sentences as if a policy had completed their prompts: cut where a sample would end."""
    heads = prompt_lengths(job, tokenizer, sentences)
    return split_rows(cut_rows(job, tokenizer, sentences, heads), heads, tokenizer)


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


def cut_rows(
    job: Job[Asked], tokenizer: PreTrainedTokenizerFast, sentences: list[str], heads: list[int]
) -> Rows:
    """Token rows that end where a sample of the same prompt would: at EOS or after `completion_tokens` tokens.

    heads: tokens of each sentence's prompt, as `prompt_lengths` counts them.
    """
    rows = encode_sentences(sentences, tokenizer, 10**6)
    return [row[: head + job.spec.completion_tokens] for row, head in zip(rows, heads, strict=True)]


def prompt_lengths(job: Job[Asked], tokenizer: PreTrainedTokenizerFast, sentences: list[str]) -> list[int]:
    """Tokens of each sentence's prompt, BOS included."""
    prompts = [" ".join(text.split()[: job.spec.prompt_words]) for text in sentences]
    return [1 + len(row) for row in token_ids(tokenizer, prompts)]
