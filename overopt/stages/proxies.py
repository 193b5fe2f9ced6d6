"""The stages that make proxies: reward models trained on labelled pairs, and the choice of their learning rates."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor

from overopt.engine.stage import Job
from overopt.models.build import (
    count_parameters,
    load_language_model,
    load_tokenizer,
    new_reward_model,
    save_model,
)
from overopt.models.precision import frozen_dtype
from overopt.models.samples import Samples
from overopt.models.seeding import generator
from overopt.plan.stage_specs import Nothing, ProxySpec, Reading
from overopt.rewards.joined import load_proxy
from overopt.rewards.pairs import LabelledPairs, draw, split, turned
from overopt.rewards.scoring import Scale, proxy_gain
from overopt.stages.pairs import load_pairs
from overopt.training.reward_model import pair_margins, train_reward_model
from overopt.util.files import read_json, write_json
from overopt.util.seeds import derive


def proxy(job: Job[ProxySpec]) -> None:
    """A reward model trained on gold-labelled pairs, and its margins on held-out ones."""
    spec = job.spec
    rate = spec.learning_rate or read_json(job.parents["recipe"] / "recipe.json")[spec.model]
    training, validation = split(load_pairs(job.parents["pairs"]), spec.validation)
    training = turned(draw(training, spec.pairs, spec.seed), spec.label_noise, spec.seed)
    base = load_language_model(job.parents["language_model"] / "model")
    start = spec.seed if spec.head_seed is None else spec.head_seed
    model = new_reward_model(base, start).to(job.runtime.device)
    pairs = training.first, training.second, training.first_wins
    options: dict[str, Any] = {
        "batch": spec.batch,
        "epochs": spec.epochs,
        "learning_rate": rate,
        "progress": job.progress,
    }
    if spec.trl:
        # here, since a study without it does not wait for its imports
        from overopt.training.trl import train_reward_model_with_trl

        tokenizer = load_tokenizer(job.parents["language_model"] / "model")
        seed = derive(spec.seed, "proxy batches")
        model = train_reward_model_with_trl(
            model, tokenizer, *pairs, **options, seed=seed, lora=spec.trl.lora
        )
    else:
        draws = generator(spec.seed, "proxy batches")
        gain = spec.embedding_gain
        train_reward_model(
            model, *pairs, **options, embedding_gain=gain, generator=draws, checkpoint=job.checkpoint
        )
    described = {
        "model": spec.model,
        "parameters": count_parameters(model),
        "pairs": spec.pairs,
        "epochs": spec.epochs,
        "label_noise": spec.label_noise,
        "learning_rate": rate,
    }
    save_model(model, job.out)
    write_validation(job.out, pair_margins(model, validation.first, validation.second), validation, described)


def write_validation(
    out: Path, margins: Float[Tensor, " pairs"], validation: LabelledPairs, described: dict[str, Any]
) -> None:
    """What a proxy says of the held-out pairs: margins beside gold's; in metrics.json, after `described`, its loss."""
    margins = margins.double()
    # what calibrates the proxy, once the unit of gold is known
    save_file({"proxy": margins, "gold": validation.margin.double()}, out / "margins.safetensors")
    signed = np.where(validation.first_wins.numpy(), 1.0, -1.0) * margins.numpy()
    validated = {
        "validation_pairs": len(validation),
        "validation_loss": float(np.logaddexp(0, -signed).mean()),
        "validation_accuracy": float((signed > 0).mean() + 0.5 * (signed == 0).mean()),
    }
    write_json(out / "metrics.json", described | validated)


def recipe(job: Job[Nothing]) -> None:
    """For each size the learning rate with the lowest validation loss: recipe.json; every trial: sweep.parquet."""
    tried = pl.DataFrame([read_json(folder / "metrics.json") for folder in job.parents.values()])
    tried = tried.sort("parameters", "learning_rate")
    best = tried.sort("validation_loss").group_by("model", maintain_order=True).first()
    write_json(job.out / "recipe.json", dict(best.select("model", "learning_rate").iter_rows()))
    chosen = best.select("model", "learning_rate", chosen=pl.lit(True))
    tried.join(chosen, on=["model", "learning_rate"], how="left").with_columns(
        pl.col("chosen").fill_null(False)
    ).write_parquet(job.out / "sweep.parquet")


def calibrated_gain(job: Job) -> float:
    """The gain of the parent `proxy`, from its margins on held-out pairs in the gold unit of the parent `pool`."""
    margins = load_file(job.parents["proxy"] / "margins.safetensors")
    unit = Scale.load(job.parents["pool"], "gold").gain
    return proxy_gain(margins["proxy"].numpy(), unit * margins["gold"].numpy())


def proxy_scale(job: Job[Reading]) -> None:
    """The scale of a proxy of a later round of RLHF: as that of the first, in gold's unit, the base policy at 0."""
    samples = Samples.load(job.parents["pool"] / "evaluation.safetensors")
    judge = load_proxy(job.parents["proxy"], job.runtime.device, frozen_dtype(job.spec.frozen))
    raw = judge.score(samples, batch=job.runtime.batch)
    Scale.centred(calibrated_gain(job), raw.double().mean().item()).save(job.out, "proxy")
