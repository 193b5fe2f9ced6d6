"""What describes the chain of models of a study: data, language models, gold's validity, pairs."""

from pathlib import Path
from typing import Any

import polars as pl
import torch
from safetensors.torch import load_file

from overopt.engine.stage import Job
from overopt.models.build import load_tokenizer
from overopt.models.samples import Samples, decode
from overopt.rewards.gold_validity import bag_of_words_r2
from overopt.study.study import PretrainedStudy, ReviewsStudy, Study
from overopt.util.files import read_json

SHOWN_SCORES = 4000  # base samples whose gold scores are kept for a histogram


def described(job: Job, study: Study) -> dict[str, Any]:
    """Sizes and losses of the language models, gold's validity, and what the data hold."""
    match study:
        case ReviewsStudy():
            return _reviews(job, study)
        case PretrainedStudy():
            return _pretrained(job, study)
    raise TypeError(f"chain: found a study of {type(study).__name__}, expected one of a world")


def _reviews(job: Job, study: ReviewsStudy) -> dict[str, Any]:
    parents = job.parents
    sentences = pl.read_parquet(parents["corpus"] / "sentences.parquet")
    ratings = pl.read_parquet(parents["corpus"] / "ratings.parquet")
    models = []
    for name, model in study.models.items():
        metrics = read_json(parents[f"language model {name}"] / "metrics.json")
        described = {"name": name, "params": metrics["parameters"], "loss": metrics["validation_loss"]}
        models.append(described | {"tokens": model.tokens})
    pool = Samples.load(parents["pool"] / "evaluation.safetensors")
    scores = load_file(parents["pool"] / "gold.safetensors")["evaluation"]
    # evenly over the pool: every prompt is among the ones kept
    kept = slice(None, None, max(1, len(scores) // SHOWN_SCORES))
    texts = decode(pool[kept].ids, load_tokenizer(parents["tokenizer"]))
    held_out = round(study.pairs.count * study.pairs.validation)
    second = {}
    if isinstance(study, ReviewsStudy) and study.gold.second:
        other = load_file(parents["pool"] / "gold_second.safetensors")["evaluation"]
        within = [part.reshape(study.best_of_n.prompts, -1) for part in (scores, other)]
        within = [(part - part.mean(1, keepdim=True)).flatten() for part in within]
        second["second_gold"] = read_json(parents["second gold reward model"] / "validity.json") | {
            "correlation": float(torch.corrcoef(torch.stack([scores, other]))[0, 1]),
            "correlation_within_prompts": float(torch.corrcoef(torch.stack(within))[0, 1]),
        }
    return {
        "data": {
            "reviews": sentences["review"].n_unique(),
            "sentences": len(sentences),
            "rated_texts": ratings.filter(pl.col("source") != "words").height,
            "rated_words": ratings.filter(pl.col("source") == "words").height,
            "ratings": int(ratings["raters"].sum()),
            "vocabulary": study.text.vocabulary,
            "prompt_tokens": study.text.prompt_tokens,
            "max_new_tokens": study.text.completion_tokens,
        },
        "language_models": models,
        "gold": read_json(parents["gold reward model"] / "validity.json")
        | {"bag_of_words_r2": bag_of_words_r2(texts, scores[kept].double().numpy())},
        "pairs": {"train": study.pairs.count - held_out, "held_out": held_out},
        "gold_base_scores": [round(s, 4) for s in scores[kept].tolist()],
        "policy": _policy(parents.get(f"policy {study.policy}")),
        **second,
    }


def _policy(folder: Path | None) -> dict[str, Any] | None:
    """The temperature of a policy, how it was found, and samples of it; none where the study sharpens none."""
    if folder is None:
        return None
    return read_json(folder / "metrics.json") | {
        "samples": pl.read_parquet(folder / "samples.parquet").to_dicts()
    }


def _pretrained(job: Job, study: PretrainedStudy) -> dict[str, Any]:
    prompts = pl.read_parquet(job.parents["prompts"] / "prompts.parquet")
    of_use = dict(prompts.group_by("use", maintain_order=True).len().iter_rows())
    models = []
    for name in study.models:
        metrics = read_json(job.parents[f"language model {name}"] / "metrics.json")
        models.append({"name": name, "params": metrics["parameters"], "vocabulary": metrics["vocabulary"]})
    held_out = round(study.pairs.count * study.pairs.validation)
    return {
        "data": {f"{use}_prompts": count for use, count in of_use.items()},
        "language_models": models,
        "gold": read_json(job.parents["gold reward model"] / "validity.json"),
        "pairs": {"train": study.pairs.count - held_out, "held_out": held_out},
    }
