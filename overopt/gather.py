"""The last stage of a study: every curve in one table, the texts, what describes the models, and the verdicts."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import torch
from safetensors.torch import load_file

from overopt import curves, verdicts
from overopt.evidence import Evidence
from overopt.files import read_json, write_json
from overopt.job import Job
from overopt.models import load_tokenizer
from overopt.record import read_record
from overopt.results import read_tables
from overopt.sampling import Samples, decode
from overopt.study import Study
from overopt.validity import bag_of_words_r2

DECIMALS = (
    4  # of values by prompt, SDs and nats: a hundredth of their standard errors at most, and half the bytes
)
SHOWN_SCORES = 4000  # base samples whose gold scores are kept for a histogram


def gather(job: Job) -> None:
    """Join the curves of all runs, the texts, and what describes the chain of models."""
    found = {title: path for title, path in job.parents.items() if (path / "curve.parquet").is_file()}
    far = [path for title, path in found.items() if title.startswith("far best-of-n")]
    if far:
        # apart: laws are fitted to the others, and these are what the laws predict
        curves.write(_joined(far, "curve"), job.out / "far.parquet")
        by_prompt = pl.concat([curves.read_by_prompt(run / "by_prompt.parquet") for run in far])
        curves.write_by_prompt(by_prompt, job.out / "far_by_prompt.parquet")
    runs = [path for path in found.values() if path not in far]
    tilts = [path for path in runs if (path / "tilt.parquet").is_file()]
    curves.write(pl.concat([_joined(runs, "curve"), _joined(tilts, "tilt")]), job.out / "curves.parquet")
    by_prompt = pl.concat([curves.read_by_prompt(run / "by_prompt.parquet") for run in runs])
    rounded = by_prompt.with_columns(pl.col("kl", "gold", "proxy").round(DECIMALS))
    curves.write_by_prompt(rounded, job.out / "by_prompt.parquet")
    texts = [run / "texts.parquet" for run in runs if (run / "texts.parquet").is_file()]
    pl.concat([pl.read_parquet(path) for path in texts]).write_parquet(job.out / "texts.parquet")
    measured = [path / "proxy.json" for path in runs if (path / "proxy.json").is_file()]
    pl.DataFrame(
        [read_json(path) | {"record": read_record(path.parent)["key"]} for path in measured]
    ).write_parquet(job.out / "proxies.parquet")
    if "learning rates" in job.parents:
        shutil.copyfile(job.parents["learning rates"] / "sweep.parquet", job.out / "sweep.parquet")
    write_json(job.out / "chain.json", chain(job))
    write_json(job.out / "summary.json", summary(job))
    study = Study.model_validate(job.spec["study"])
    evidence = Evidence(read_tables(job.out, study, {"key": job.keys["self"]}))
    verdicts.write(verdicts.judge(evidence), job.out / "verdicts.json")


def _joined(runs: list[Path], name: str) -> pl.DataFrame:
    return pl.concat([curves.read(run / f"{name}.parquet") for run in runs])


def chain(job: Job) -> dict[str, Any]:
    """Sizes and losses of the language models, gold's validity, and what the data hold."""
    study = Study.model_validate(job.spec["study"])
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
    if study.gold.second:
        other = load_file(parents["pool"] / "second_gold.safetensors")["evaluation"]
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
        **second,
    }


def summary(job: Job) -> dict[str, Any]:
    """When, where and for how long the study ran, from the records of everything it is made of."""
    records = [read_record(folder) for folder in job.parents.values()]
    study = Study.model_validate(job.spec["study"])
    last = max(records, key=lambda record: record["started"] + record["seconds"])
    finished = datetime.fromtimestamp(last["started"] + last["seconds"], UTC)
    return {
        "created": finished.isoformat(timespec="seconds"),
        "seconds": sum(record["seconds"] for record in records),
        "device": last["device"],
        "versions": last["packages"],
        "git": last["git"]["commit"],
        "seeds": list(range(study.proxies.seeds)),
    }
