"""The stage that scores all samples of a policy by gold, and fixes gold's scale."""

from safetensors.torch import save_file

from overopt.engine.stage import Job
from overopt.models.build import load_tokenizer
from overopt.models.precision import frozen_dtype
from overopt.models.samples import Samples, concatenate
from overopt.plan.stage_specs import PoolSpec, Reading
from overopt.rewards.gold import Gold, load_gold
from overopt.rewards.scoring import Scale, gold_scale


def pool(job: Job[PoolSpec]) -> None:
    """All samples of the evaluation prompts, and those of the prompts for show, scored by gold.

    The evaluation samples of the study's policy fix gold's scale: base policy at 0, standard deviation 1. A pool of
    another policy has the study's pool as a parent and stays on that scale.
    """
    parts = [Samples.load(job.parents[f"part_{k}"] / "samples.safetensors") for k in range(job.spec.parts)]
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


def gold_judges(job: Job[Reading]) -> dict[str, Gold]:
    """Gold, and the second gold where the study has one, by the name of its parent."""
    tokenizer = load_tokenizer(job.parents["tokenizer"])
    return {
        role: load_gold(job.parents[role], tokenizer, job.runtime.device, frozen_dtype(job.spec.frozen))
        for role in ("gold", "second_gold")
        if role in job.parents
    }
