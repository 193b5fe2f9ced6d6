"""What gold would say of recorded texts without its rule on repetition: is it the rule alone that makes gold fall?"""

from dataclasses import replace

import polars as pl
import torch

from overopt.engine.stage import Job
from overopt.models.build import load_tokenizer
from overopt.plan.stage_specs import HalvesSpec
from overopt.rewards.gated_gold import GatedGold
from overopt.rewards.gold import load_gold
from overopt.stages.halves import AT_ONCE, TOLERANCE, WORDS, rewritten
from overopt.stages.pool import scaled_gold


def unruled(job: Job[HalvesSpec]) -> None:
    """unruled.parquet, a row a recorded text: `record, n, step, kl, gold, repeats, unruled`.

    `repeats` is what the rule says of it; `unruled` is gold by the two judges of language alone, in gold's base-policy SDs.
    Texts are left out of which gold, asked again, does not say what was recorded: see `halves`.

    Raises:
        TypeError: for a gold without judges of language.
    """
    tokenizer = load_tokenizer(job.parents["tokenizer"])
    gold = load_gold(job.parents["gold"], tokenizer, job.runtime.device)
    if not isinstance(gold, GatedGold):
        raise TypeError(f"gold: found {type(gold).__name__}, expected one with judges of language")
    scale = scaled_gold(job.parents["pool"], "gold", gold).scales["gold"]
    texts = pl.read_parquet(job.parents["tables"] / "texts.parquet")
    words = texts.select(WORDS).unique(maintain_order=True)
    prompts, completions = (words[name].to_list() for name in WORDS)
    samples = rewritten(prompts, completions, tokenizer, job.spec.completion_tokens)
    said = []
    for start in range(0, len(samples), AT_ONCE):
        part = samples[start : start + AT_ONCE]
        judged = gold.judged(part, batch=job.runtime.batch)
        free = replace(judged, repeats=torch.zeros_like(judged.repeats))
        said.append(
            pl.DataFrame(
                {
                    "again": scale(gold.gold(judged)).tolist(),
                    "unruled": scale(gold.gold(free)).tolist(),
                    "repeats": judged.repeats.tolist(),
                }
            )
        )
        job.progress(start + len(part), len(samples))
    joined = texts.join(
        pl.concat([words, pl.concat(said)], how="horizontal"), on=WORDS, maintain_order="left"
    )
    same = joined.filter((pl.col("again") - pl.col("gold")).abs() < TOLERANCE)
    found = same.select("record", "n", "step", "kl", "gold", "repeats", "unruled")
    found.write_parquet(job.out / "unruled.parquet")
