"""The stages that make gold of ratings and of judges of language that never see a policy's text."""

import polars as pl

from overopt.data.reviews import TEXT_SPLIT
from overopt.engine.stage import Job
from overopt.models.build import (
    count_parameters,
    load_language_model,
    load_reward_model,
    load_tokenizer,
    new_reward_model,
    save_model,
)
from overopt.models.precision import frozen_dtype
from overopt.models.seeding import generator
from overopt.plan.stage_specs import GatedGoldSpec, RealTextSpec
from overopt.rewards.gated_gold import GatedGold
from overopt.rewards.gold_validity import gate_validity, rating_validity
from overopt.rewards.rating import Rating
from overopt.stages.prompts import prompt_table
from overopt.stages.rating import rated_texts
from overopt.stages.spoilt_pairs import real_samples, spoilt_samples, trained_pairs
from overopt.training.real_text import train_real_text
from overopt.util.files import write_json


def real_text(job: Job[RealTextSpec]) -> None:
    """A classifier of real text against its own corruption, started from a language model."""
    spec, tokenizer = job.spec, load_tokenizer(job.parents["tokenizer"])
    base = load_language_model(job.parents["language_model"] / "model")
    model = new_reward_model(base, spec.seed).to(job.runtime.device)
    train_real_text(
        model,
        trained_pairs(job, tokenizer),
        generator=generator(spec.seed, "real text"),
        progress=job.progress,
        checkpoint=job.checkpoint,
        **dict(spec.training),
    )
    save_model(model.to(frozen_dtype(spec.kept)), job.out)


def gated_gold(job: Job[GatedGoldSpec]) -> None:
    """Gold, made of its parts; its held-out validity."""
    spec, device, tokenizer = job.spec, job.runtime.device, load_tokenizer(job.parents["tokenizer"])
    folders = [folder / "model" for role, folder in job.parents.items() if role.startswith("rating_model")]
    rating = Rating.load(folders, device)
    language = load_language_model(job.parents["language_model"] / "model", device)
    real = load_reward_model(job.parents["real_text"] / "model", device)
    table = prompt_table(job, TEXT_SPLIT, spec.texts + spec.sentences)[spec.texts :]
    made = GatedGold.calibrated(
        rating,
        language,
        real,
        tokenizer,
        sentences=real_samples(job, tokenizer, table["sentence"].to_list()),
        rated=rated_texts(job, tokenizer, "validation", limit=10**6).rows,
        doubted=spec.doubted,
    )
    made.save(job.out)
    test = rated_texts(job, tokenizer, "test", limit=10**6).rows
    scores = rating.score(test, tokenizer).numpy()
    rated = pl.read_parquet(job.parents["corpus"] / "ratings.parquet")
    report, rated_pairs = rating_validity(scores, rated, seed=spec.seed)
    corrupted = spoilt_samples(job, tokenizer, spec.texts)
    by_kind = [gate_validity(kind, made, *pair) for kind, pair in corrupted.items()]
    parameters = sum(map(count_parameters, (*rating.models, language, real)))
    write_json(job.out / "validity.json", {"params": parameters, **report, "pairs": [rated_pairs, *by_kind]})
