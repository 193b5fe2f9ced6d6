"""The tables that every page is drawn from: gathered from a study's stages once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from overopt.analysis import curves
from overopt.engine.record import read_record
from overopt.study.study import Study
from overopt.util.files import read_json


@dataclass(frozen=True)
class Results:
    """What a finished study measured.

    curves, by_prompt: see `overopt.analysis.curves`;
    far, far_by_prompt: best-of-n far beyond those curves, if the study has any;
    proxies: one row a proxy, how it was trained and how gold follows it; sweep: learning rates that were tried, if any;
    ppo_sweep: settings of PPO that were tried, if any: see `overopt.analysis.ppo_sweep`;
    texts: completions of the prompts for show; chain: how the models of the study came out; record: key, git commit, time of
    the run, compute seconds and costs, those of published stages, device, versions, seeds; folder: where they are, with
    a `record.json` that names each file's SHA-256; verdicts: today's, where they were asked for: see
    `overopt.analysis.claims.verdicts`.
    """

    study: Study
    record: dict[str, Any]
    curves: pl.DataFrame
    by_prompt: pl.DataFrame
    far: pl.DataFrame | None
    far_by_prompt: pl.DataFrame | None
    proxies: pl.DataFrame
    sweep: pl.DataFrame | None
    texts: pl.DataFrame
    chain: dict[str, Any]
    folder: Path
    ppo_sweep: pl.DataFrame | None = None
    verdicts: Sequence[dict[str, Any]] = ()


def read(folder: Path, study: Study) -> Results:
    """The tables in `folder`, which a `tables` stage published."""
    return Results(
        study=study,
        record=read_json(folder / "summary.json") | {"key": read_record(folder)["key"]},
        curves=curves.read(folder / "curves.parquet"),
        by_prompt=curves.read_by_prompt(folder / "by_prompt.parquet"),
        far=curves.read(folder / "far.parquet") if study.far_best_of_n else None,
        far_by_prompt=curves.read_by_prompt(folder / "far_by_prompt.parquet")
        if study.far_best_of_n
        else None,
        proxies=pl.read_parquet(folder / "proxies.parquet"),
        sweep=_read_if_any(folder / "sweep.parquet"),
        ppo_sweep=_read_if_any(folder / "ppo_sweep.parquet"),
        texts=pl.read_parquet(folder / "texts.parquet"),
        chain=read_json(folder / "chain.json"),
        folder=folder,
    )


def _read_if_any(path: Path) -> pl.DataFrame | None:
    return pl.read_parquet(path) if path.is_file() else None
