"""The stages that make the gold reward, and how well it judges what it was not trained on.

Word vectors and rating models need the corpus alone; decoys and fluency models need language models too.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import polars as pl
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from overopt.data.word_vectors import word_vectors as vectors_of
from overopt.engine.stage import Job
from overopt.models.build import (
    count_parameters,
    encode_sentences,
    load_language_model,
    load_reward_model,
    load_tokenizer,
    new_language_model,
    new_reward_model,
    save_model,
    train_tokenizer,
)
from overopt.models.precision import frozen_dtype
from overopt.models.samples import encode_prompts
from overopt.models.sampling import sample_many
from overopt.models.seeding import generator
from overopt.optimisers.evaluation import Evaluator
from overopt.optimisers.ppo import Models, Trainer
from overopt.optimisers.ppo_run import PPORun
from overopt.plan import stage_specs as specs
from overopt.rewards.gold_validity import rating_validity, spoilt_validity
from overopt.rewards.reviews_gold import GoldModel
from overopt.rewards.scoring import gold_scale, score
from overopt.stages.prompts import prompt_table
from overopt.stages.spoilt_pairs import decoy_pairs, spoilt_pairs
from overopt.stages.text import of_split
from overopt.training.fluency_model import train_fluency_model
from overopt.training.rating_model import Rated, train_rating_model
from overopt.util.files import write_json
from overopt.util.seeds import derive


def word_vectors(job: Job[specs.WordVectorsSpec]) -> None:
    """The rating model's tokenizer, and a vector of each of its tokens, from counts over reviews and rated texts."""
    sentences = of_split(job.parents["corpus"], "language_model")[: job.spec.sentences]
    rated = pl.read_parquet(job.parents["corpus"] / "ratings.parquet").filter(pl.col("split") == "train")
    texts = sentences["text"].to_list() + rated["text"].to_list()
    made = train_tokenizer(texts, job.spec.vocabulary, lowercase=True)
    made.save_pretrained(job.out)
    rows = encode_sentences(texts, made, 10**6)
    vectors = vectors_of(rows, sentences["label"].to_list(), len(made), job.spec.width)
    save_file({"vectors": torch.from_numpy(vectors)}, job.out / "vectors.safetensors")


def rating_model(job: Job[specs.RatingModelSpec]) -> None:
    """One model of human ratings, started from word vectors."""
    spec, vectors = job.spec, job.parents["word_vectors"]
    tokenizer = load_tokenizer(vectors)
    base = new_language_model(spec.shape, tokenizer, spec.sentence_tokens, spec.seed)
    with torch.no_grad():
        base.get_input_embeddings().weight.copy_(load_file(vectors / "vectors.safetensors")["vectors"])
    model = new_reward_model(base, spec.seed).to(job.runtime.device)
    train_rating_model(
        model,
        rated_texts(job, tokenizer, "train"),
        generator=generator(spec.seed, "ratings"),
        progress=job.progress,
        checkpoint=job.checkpoint,
        **dict(spec.training),
    )
    save_model(model.to(frozen_dtype(spec.kept)), job.out)
    tokenizer.save_pretrained(job.out / "model")


def decoys(job: Job[specs.DecoysSpec]) -> None:
    """Texts of one policy optimised far against one throw-away reward model.

    The throw-away model is small and briefly trained: what a policy finds in its blind spots is what gold must not
    fall for. One that knows ratings alone is won by loops of praise, one with a fluency model too by text that is
    none. Nothing is evaluated on it.
    """
    spec, device, batch = job.spec, job.runtime.device, job.runtime.batch
    tokenizer = load_tokenizer(job.parents["tokenizer"])
    table = prompt_table(job, "decoys", spec.prompts)
    judge = throw_away_judge(job, tokenizer)
    prompts = encode_prompts(table["prompt"].to_list(), tokenizer)
    policy, reference = (load_language_model(job.parents["policy"] / "model", device) for _ in range(2))
    base = sample_many(
        reference,
        prompts,
        1,
        spec.completion_tokens,
        generator=generator(spec.seed, "base"),
        batch=batch,
    )
    scale = gold_scale(judge(base, batch=256))
    value_model = new_reward_model(load_language_model(job.parents["value_model"] / "model"), spec.seed)
    config = spec.ppo
    trainer = Trainer(
        Models(policy, reference, value_model.to(device)),
        lambda samples: scale(judge(samples, batch=config.minibatch)),
        prompts,
        config,
        completion_tokens=spec.completion_tokens,
        kl_penalty=0.0,
        generator=generator(spec.seed, "ppo"),
    )
    evaluator = Evaluator(
        reference=reference,
        prompts=prompts,
        per_prompt=config.evaluation_samples,
        completion_tokens=spec.completion_tokens,
        seed=spec.seed,
        batch=batch,
    )
    rows: list[dict[str, Any]] = []
    for look in PPORun(trainer, evaluator, kept=rows, checkpoint=job.checkpoint, progress=job.progress):
        kl = look.kl.exact.mean().item()
        if kl < spec.min_kl:
            continue
        for prompt, ids, mask in zip(range(len(table)), look.samples.ids, look.samples.mask, strict=True):
            sentence = table["sentence"][prompt]
            rows.append({"kl": kl, "step": look.step, "sentence": sentence, "completion": ids[mask].tolist()})
    schema: dict[str, Any] = {
        "kl": pl.Float64,
        "step": pl.Int64,
        "sentence": pl.String,
        "completion": pl.List(pl.Int64),
    }
    pl.DataFrame(rows, schema=schema).write_parquet(job.out / "decoys.parquet")


def throw_away_judge(
    job: Job[specs.DecoysSpec], tokenizer: PreTrainedTokenizerFast
) -> Callable[..., torch.Tensor]:
    """A small reward model made like gold, but started from a language model; without fluency where the spec says so."""
    spec = job.spec

    def fresh(purpose: str) -> PreTrainedModel:
        base = load_language_model(job.parents["judge"] / "model")
        return new_reward_model(base, derive(spec.seed, purpose)).to(job.runtime.device)

    rated = rated_texts(job, tokenizer, "train")
    rating = fresh("throw-away rating")
    train_rating_model(
        rating,
        rated,
        generator=generator(spec.seed, "throw-away"),
        checkpoint=job.checkpoint.part("rating"),
        **dict(spec.rating_training),
    )
    if not spec.fluency:
        return partial(score, rating)
    spoilt, fluency = spoilt_pairs(job, tokenizer, spec.spoilt_texts), fresh("throw-away fluency")
    train_fluency_model(
        fluency,
        spoilt,
        generator=generator(spec.seed, "throw-away"),
        checkpoint=job.checkpoint.part("fluency"),
        **dict(spec.fluency_training),
    )
    unseen = rated_texts(job, tokenizer, "validation").rows
    return GoldModel.calibrated((rating,), tokenizer, (fluency,), tokenizer, sample_tokens(job), unseen).score


def fluency_model(job: Job[specs.FluencyModelSpec]) -> None:
    """One model that tells real text from spoilt text and decoys, started from a language model."""
    spec, tokenizer = job.spec, load_tokenizer(job.parents["tokenizer"])
    base = load_language_model(job.parents["language_model"] / "model")
    model = new_reward_model(base, spec.seed).to(job.runtime.device)
    train_fluency_model(
        model,
        spoilt_pairs(job, tokenizer, spec.spoilt_texts) | decoy_pairs(job, tokenizer),
        generator=generator(spec.seed, "fluency"),
        progress=job.progress,
        checkpoint=job.checkpoint,
        **dict(spec.training),
    )
    save_model(model, job.out)


def gold(job: Job[specs.GoldSpec]) -> None:
    """Gold, made of rating models and fluency models; its held-out validity."""
    spec, device = job.spec, job.runtime.device
    tokenizer = load_tokenizer(job.parents["tokenizer"])
    training, held_out = (
        spoilt_pairs(job, tokenizer, spec.spoilt_texts, held_out=part)
        | decoy_pairs(job, tokenizer, held_out=part)
        for part in (False, True)
    )
    folders = {
        part: [folder / "model" for role, folder in job.parents.items() if role.startswith(part)]
        for part in ("rating_model", "fluency_model")
    }
    ratings, fluency = (
        tuple(load_reward_model(folder, device) for folder in found) for found in folders.values()
    )
    own = load_tokenizer(folders["rating_model"][0])
    unseen = rated_texts(job, tokenizer, "validation", limit=10**6).rows
    made = GoldModel.calibrated(ratings, own, fluency, tokenizer, sample_tokens(job), unseen)
    made.save(job.out)
    rated = pl.read_parquet(job.parents["corpus"] / "ratings.parquet")
    scores = made.score_rows(rated_texts(job, tokenizer, "test", limit=10**6).rows).numpy()
    report, rated_pairs = rating_validity(scores, rated, seed=spec.seed)
    spoilt_report = [spoilt_validity(kind, made, training[kind], held_out[kind]) for kind in held_out]
    parameters = sum(map(count_parameters, (*ratings, *fluency)))
    validity = {"params": parameters, **report, "pairs": [rated_pairs, *spoilt_report]}
    write_json(job.out / "validity.json", validity)


def sample_tokens(job: Job[specs.Prompting]) -> int:
    """Tokens of the longest sample, prompt and BOS included."""
    return job.spec.prompt_tokens + job.spec.completion_tokens


def rated_texts(
    job: Job[specs.Rated], tokenizer: PreTrainedTokenizerFast, split: str, *, limit: int | None = None
) -> Rated:
    """The rated texts of one split as token rows, cut at `limit` tokens (default: the spec's `sentence_tokens`).

    Ratings are means over the spec's `raters`: see `overopt.data.reviews.Reviews`.
    """
    table = pl.read_parquet(job.parents["corpus"] / "ratings.parquet").filter(pl.col("split") == split)
    return Rated(
        encode_sentences(table["text"].to_list(), tokenizer, limit or job.spec.sentence_tokens),
        torch.tensor(table["rating" + job.spec.raters].to_list()),
        torch.tensor(table["rating_sd" + job.spec.raters].to_list()),
    )
