"""The stage that says what either half of gold, rating and gate, makes of every text that a curve recorded.

Texts are recorded as words. Gold reads tokens, so the words are encoded once more. A policy may have written other tokens
than the tokenizer gives the same words; then the gate may differ, and gold with it. So the halves of a text are told only
where gold, asked again, says what was recorded.
"""

from collections.abc import Callable, Mapping

import polars as pl
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from overopt.engine.stage import Job
from overopt.models.build import continuation_ids, load_tokenizer, token_ids
from overopt.models.samples import Samples, split_rows
from overopt.plan.stage_specs import HalvesSpec
from overopt.rewards.gold import load_gold
from overopt.stages.curve_rows import recorded_texts
from overopt.stages.pool import scaled_gold

WORDS = ["prompt_text", "completion"]
PLACE = ["record", "n", "step", *WORDS]  # what a recorded text is found by
HALVES = ["rating", "gate"]
TOLERANCE = 1e-3  # base-policy SDs of gold
AT_ONCE = 4096  # texts between two reports of progress


def halves(job: Job[HalvesSpec]) -> None:
    """halves.parquet: what a text is found by, what gold says of its words, and its halves or nothing, a row a text.

    Gold and rating are in base-policy SDs, the gate is a fraction.
    """
    tokenizer = load_tokenizer(job.parents["tokenizer"])
    raw = load_gold(job.parents["gold"], tokenizer, job.runtime.device)
    gold = scaled_gold(job.parents["pool"], "gold", raw)
    texts = recorded_texts(job.parents.values())

    def ask(samples: Samples) -> dict[str, Tensor]:
        views = gold(samples, batch=job.runtime.batch)
        return {view: views[view] for view in ("gold", *HALVES)}

    told(texts, asked_again(job, texts, tokenizer, ask)).write_parquet(job.out / "halves.parquet")


def asked_again(
    job: Job[HalvesSpec],
    texts: pl.DataFrame,
    tokenizer: PreTrainedTokenizerFast,
    ask: Callable[[Samples], Mapping[str, Tensor]],
) -> pl.DataFrame:
    """The columns `WORDS` and those that `ask` makes of samples, a row each different prompt and completion of `texts`."""
    words = texts.select(WORDS).unique(maintain_order=True)
    prompts, completions = (words[name].to_list() for name in WORDS)
    samples = rewritten(prompts, completions, tokenizer, job.spec.completion_tokens)
    said = []
    for start in range(0, len(samples), AT_ONCE):
        part = samples[start : start + AT_ONCE]
        said.append(pl.DataFrame({name: values.tolist() for name, values in ask(part).items()}))
        job.progress(start + len(part), len(samples))
    return pl.concat([words, pl.concat(said)], how="horizontal")


def rewritten(
    prompts: list[str], completions: list[str], tokenizer: PreTrainedTokenizerFast, limit: int
) -> Samples:
    """Texts in the tokens that the tokenizer gives them; EOS ends what is shorter than `limit` tokens."""
    heads = [[tokenizer.bos_token_id, *prompt] for prompt in token_ids(tokenizer, prompts)]
    written = continuation_ids(tokenizer, completions)
    ends = [[*completion, tokenizer.eos_token_id][:limit] for completion in written]
    rows = [head + end for head, end in zip(heads, ends, strict=True)]
    return split_rows(rows, list(map(len, heads)), tokenizer)


def told(texts: pl.DataFrame, said: pl.DataFrame) -> pl.DataFrame:
    """For each of `texts` what gold says of its words, and its halves where that is the recorded gold.

    Args:
        texts: what curves recorded: the columns `PLACE` and `gold`.
        said: `gold, rating, gate` of each different prompt and completion.

    >>> texts = {"record": ["a", "b"], "n": 1, "step": None, "prompt_text": "It", "completion": "is", "gold": [0.5, 0.1]}
    >>> said = {"prompt_text": "It", "completion": "is", "gold": [0.5], "rating": [0.7], "gate": [0.9]}
    >>> told(pl.DataFrame(texts), pl.DataFrame(said)).select("record", "gold", *HALVES).rows()
    [('a', 0.5, 0.7, 0.9), ('b', 0.5, None, None)]
    """
    joined = texts.join(said, on=WORDS, how="left", maintain_order="left", suffix="_again")
    same = (pl.col("gold_again") - pl.col("gold")).abs() < TOLERANCE
    known = [pl.when(same).then(pl.col(half)).alias(half) for half in HALVES]
    return joined.select(*PLACE, pl.col("gold_again").alias("gold"), *known)


def with_halves(texts: pl.DataFrame, halves: pl.DataFrame) -> pl.DataFrame:
    """The texts with the columns `HALVES`, from what the stage wrote; nothing where it could not tell."""
    return texts.join(
        halves.select(*PLACE, *HALVES), on=PLACE, how="left", nulls_equal=True, maintain_order="left"
    )
