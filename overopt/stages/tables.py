"""The last stage of a study: every curve in one table, the texts, and what describes the models."""

import shutil
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs

from overopt.analysis import curves
from overopt.engine.record import costs, read_record
from overopt.engine.stage import Job
from overopt.plan.stage_specs import TablesSpec
from overopt.stages import describe_models
from overopt.stages.curve_rows import recorded_texts
from overopt.stages.halves import with_halves
from overopt.study.study import Study, parse_study
from overopt.util.files import read_json, write_json

DECIMALS = (
    4  # of values by prompt, SDs and nats: a hundredth of their standard errors at most, and half the bytes
)


def gather(job: Job[TablesSpec]) -> None:
    """Join the curves of all runs, the texts, and what describes the chain of models."""
    study = parse_study(job.spec.study)
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
    if study.prompt_groups:
        by_prompt = in_groups(by_prompt, study.prompt_groups)
    curves.write_by_prompt(by_prompt.with_columns(cs.float().round(DECIMALS)), job.out / "by_prompt.parquet")
    texts = recorded_texts(runs)
    if "halves of gold" in job.parents:
        texts = with_halves(texts, pl.read_parquet(job.parents["halves of gold"] / "halves.parquet"))
    texts.write_parquet(job.out / "texts.parquet")
    measured = [path / "proxy.json" for path in runs if (path / "proxy.json").is_file()]
    rows = [read_json(path) | {"record": read_record(path.parent)["key"]} for path in measured]
    single = [row for row in rows if "members" not in row]  # what the others are made of
    pl.DataFrame(single).write_parquet(job.out / "proxies.parquet")
    if "learning rates" in job.parents:
        shutil.copyfile(job.parents["learning rates"] / "sweep.parquet", job.out / "sweep.parquet")
    if "settings of PPO" in job.parents:
        shutil.copyfile(job.parents["settings of PPO"] / "ppo_sweep.parquet", job.out / "ppo_sweep.parquet")
    predicted = [path for path in job.parents.values() if (path / "prediction.json").is_file()]
    if predicted:
        write_json(job.out / "predictions.json", [_prediction(path) for path in predicted])
    write_json(job.out / "chain.json", describe_models.described(job, study))
    write_json(job.out / "summary.json", summary(job, study))


def _prediction(folder: Path) -> dict[str, Any]:
    """What was predicted, the key of the stage that did, and the SHA-256 of its file."""
    record = read_record(folder)
    told = {"record": record["key"], "sha256": record["files"]["prediction.json"]}
    return read_json(folder / "prediction.json") | told


def in_groups(by_prompt: pl.DataFrame, groups: int) -> pl.DataFrame:
    """Means over groups of prompts, the same groups at every point and in every record; `prompt` numbers the groups.

    Of equally large groups the mean is that of all prompts, and what resampling says of it varies as it should: a mean of
    independent means. The table is as many times smaller as a group has prompts.
    """
    place = ["record", "n", "step", pl.col("prompt") % groups]
    means = by_prompt.group_by(place, maintain_order=True).agg(cs.float().mean())
    return means.select(by_prompt.columns)


def _joined(runs: list[Path], name: str) -> pl.DataFrame:
    return pl.concat([curves.read(run / f"{name}.parquet") for run in runs])


def summary(job: Job, study: Study) -> dict[str, Any]:
    """When, where, for how long and in how much memory the study ran, from the records of everything it is made of.

    `published_costs` are of stages that came with the package, where those were made; beside them only `commits` counts
    those: how many stages each computed, the one of most first.
    """
    by_role = {role: read_record(folder) for role, folder in job.parents.items()}
    records = [record for role, record in by_role.items() if role not in job.published]
    last = max(records, key=lambda record: record["started"] + record["seconds"])
    commits = Counter(record["git"]["commit"] or "unknown" for record in by_role.values())
    finished = datetime.fromtimestamp(last["started"] + last["seconds"], UTC)
    return {
        "created": finished.isoformat(timespec="seconds"),
        "seconds": sum(record["seconds"] for record in records),
        "costs": costs(records),
        "published_costs": costs(by_role[role] for role in sorted(job.published)),
        "device": last["device"],
        "versions": last["packages"],
        "git": last["git"]["commit"],
        "commits": dict(commits.most_common()),
        "seeds": list(range(study.proxies.seeds)),
    }
