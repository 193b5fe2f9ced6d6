"""What gold would say of recorded texts without its rule on repetition: is it the rule alone that makes gold fall?"""

from dataclasses import replace

import polars as pl
import torch

from overopt.engine.stage import Job
from overopt.models.build import load_tokenizer
from overopt.models.samples import Samples
from overopt.plan.stage_specs import HalvesSpec
from overopt.rewards.gated_gold import GatedGold
from overopt.rewards.gold import load_gold
from overopt.stages.halves import TOLERANCE, WORDS, asked_again
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

    def ask(samples: Samples) -> dict[str, torch.Tensor]:
        judged = gold.judged(samples, batch=job.runtime.batch)
        free = replace(judged, repeats=torch.zeros_like(judged.repeats))
        raw = {"again": gold.gold(judged), "unruled": gold.gold(free)}
        return {name: scale(values) for name, values in raw.items()} | {"repeats": judged.repeats}

    joined = texts.join(asked_again(job, texts, tokenizer, ask), on=WORDS, maintain_order="left")
    same = joined.filter((pl.col("again") - pl.col("gold")).abs() < TOLERANCE)
    found = same.select("record", "n", "step", "kl", "gold", "repeats", "unruled")
    found.write_parquet(job.out / "unruled.parquet")
