"""The stage that makes labelled pairs of samples: what proxies learn from."""

from pathlib import Path

from safetensors.torch import load_file, save_file

from overopt.engine.stage import Job
from overopt.models.build import load_tokenizer
from overopt.models.precision import frozen_dtype
from overopt.models.samples import Samples
from overopt.plan.stage_specs import PairsSpec
from overopt.rewards.gold import load_gold
from overopt.rewards.pairs import LabelledPairs, pair_up
from overopt.stages.prompts import encoded_prompts
from overopt.stages.samples import drawn


def pairs(job: Job[PairsSpec]) -> None:
    """Samples of a policy in pairs that share a prompt, scored by gold; pairs of one prompt stand in a row."""
    spec = job.spec
    prompts = encoded_prompts(job, "pairs", spec.skip + spec.prompts)[spec.skip :]
    samples = drawn(job, prompts, 2 * spec.per_prompt, "pairs", spec.skip)
    gold = load_gold(
        job.parents["gold"],
        load_tokenizer(job.parents["tokenizer"]),
        job.runtime.device,
        frozen_dtype(spec.frozen),
    )
    samples.save(job.out / "samples.safetensors")
    save_file({"gold": gold.score(samples, batch=job.runtime.batch)}, job.out / "gold.safetensors")


def load_pairs(folder: Path) -> LabelledPairs:
    """The labelled pairs of a `pairs` stage."""
    return pair_up(
        Samples.load(folder / "samples.safetensors"), load_file(folder / "gold.safetensors")["gold"]
    )
