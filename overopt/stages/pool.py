"""The stage that scores all samples of a policy by gold, and fixes gold's scale."""

from itertools import product
from pathlib import Path

from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor

from overopt.analysis.curves import STRICTNESS
from overopt.engine.stage import Job
from overopt.models.build import load_tokenizer
from overopt.models.precision import frozen_dtype
from overopt.models.samples import Samples, concatenate
from overopt.plan.stage_specs import PoolSpec, Reading
from overopt.rewards.gated_gold import GatedGold
from overopt.rewards.gold import Gold, ScaledGold, Views, load_gold, views_of
from overopt.rewards.scoring import Scale

ROLES = ("gold", "second_gold")
VIEWS = ("gold", *STRICTNESS, "rating", "gate")  # see `overopt.rewards.gold.views_of`


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
    golds = loaded_golds(job)
    judged: dict[str, dict[str, Views]] = {role: {} for role in golds}
    for k, (use, role) in enumerate(product(found, golds)):  # golds inside: they share a model
        views = views_of(golds[role], found[use], batch=job.runtime.batch)
        judged[role][use] = {view: values for view, values in views.items() if view in views_for(role)}
        job.progress(k + 1, len(found) * len(golds))
    for role, raw in judged.items():
        shared, gold = job.parents.get("pool"), golds[role]
        scaled = scaled_gold(shared, role, gold) if shared else ScaledGold.on(raw["evaluation"], gold)
        for view, scale in scaled.scales.items():
            name = column_of(role, view)
            scale.save(job.out, name)
            scores = {use: scale(views[view]) for use, views in raw.items()}
            save_file(scores, job.out / f"{name}.safetensors")


def loaded_golds(job: Job[Reading]) -> dict[str, Gold]:
    """Gold, and the second gold where the study has one, by the name of its parent."""
    tokenizer = load_tokenizer(job.parents["tokenizer"])
    golds = {
        role: load_gold(job.parents[role], tokenizer, job.runtime.device, frozen_dtype(job.spec.frozen))
        for role in ROLES
        if role in job.parents
    }
    first, second = golds["gold"], golds.get("second_gold")
    if isinstance(first, GatedGold) and isinstance(second, GatedGold):
        golds["second_gold"] = second.sharing(first)
    return golds


def scaled_gold(pool: Path, role: str, gold: Gold) -> ScaledGold:
    """The gold of a role on the scales that a pool fixed for it."""
    names = {view: column_of(role, view) for view in views_for(role)}
    known = {
        view: name
        for view, name in names.items()
        if view == "gold" or (pool / f"{name}.safetensors").is_file()
    }
    return ScaledGold(gold, {view: Scale.load(pool, name) for view, name in known.items()})


def pooled(pool: Path, use: str) -> dict[str, Float[Tensor, " samples"]]:
    """What every gold says of a pool's samples of one use, by the name of the column that curves have for it."""
    columns = [column_of(role, view) for role in ROLES for view in views_for(role)]
    files = {column: pool / f"{column}.safetensors" for column in columns}
    return {column: load_file(file)[use] for column, file in files.items() if file.is_file()}


def views_for(role: str) -> tuple[str, ...]:
    """What is kept of what a gold says: of a second gold its reward alone."""
    return VIEWS if role == "gold" else ("gold",)


def column_of(role: str, view: str) -> str:
    """The column that curves have for one view of a gold, and the name of the pool's files about it."""
    return view if role == "gold" else "gold_second"
