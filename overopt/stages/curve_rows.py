"""Rows of the tables that curves are kept in, as stages write them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from overopt.analysis import curves
from overopt.engine.stage import Job
from overopt.plan.stage_specs import Curved

Row = dict[str, Any]


def curve_identity(job: Job[Curved], metrics: dict[str, Any]) -> dict[str, Any]:
    """The columns that say which curve a row belongs to."""
    return {
        **dict(job.spec.curve),
        "setting": job.spec.curve.setting or None,
        "rm_params": metrics["parameters"],
        "pairs": metrics["pairs"],
        "epochs": metrics["epochs"],
        "rm_loss": metrics["validation_loss"],
        "rm_accuracy": metrics["validation_accuracy"],
        "record": job.keys["self"],
    }


def write_curve(job: Job, rows: list[dict[str, Any]], by_prompt: list[dict[str, Any]]) -> None:
    """curve.parquet and by_prompt.parquet, checked against their schemas."""
    write_rows(rows, job.out / "curve.parquet")
    blank = {"record": job.keys["self"], "n": None, "step": None} | dict.fromkeys(curves.STRICTNESS)
    table = pl.DataFrame([blank | row for row in by_prompt], infer_schema_length=None)
    curves.write_by_prompt(table, job.out / "by_prompt.parquet")


def write_rows(rows: list[dict[str, Any]], path: Path) -> None:
    """Rows of the curves table, with nothing in the columns that a method knows nothing of."""
    blank = {name: None for name in curves.columns()} | {"rounds": 1, "round": 1}
    curves.write(pl.DataFrame([blank | row for row in rows], infer_schema_length=None), path)


def write_texts(job: Job, method: str, rows: list[dict[str, Any]]) -> None:
    """texts.parquet."""
    keyed = [{"method": method, "record": job.keys["self"]} | row for row in rows]
    schema = {"n": pl.Int64, "step": pl.Int64}
    pl.DataFrame(keyed, schema_overrides=schema).write_parquet(job.out / "texts.parquet")


def recorded_texts(folders: Iterable[Path]) -> pl.DataFrame:
    """What `write_texts` wrote in those of `folders` that have texts, one after another."""
    files = [folder / "texts.parquet" for folder in folders]
    return pl.concat([pl.read_parquet(file) for file in files if file.is_file()])
