"""The tables that every page is drawn from: gathered from a study's stages once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
    texts: completions of the prompts for show, with gold's halves `rating` (SDs) and `gate` where they are known;
    chain: how the models of the study came out; record: key, git commits, time of the run, compute seconds and costs,
    those of published stages, device, versions, seeds; folder: where they are, with a `record.json` that names each
    file's SHA-256; predictions: what was predicted before anything was optimised, if
    anything was: see `overopt.analysis.pool_predictions`; verdicts: today's, where they were asked for: see
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
    predictions: Sequence[dict[str, Any]] = ()
    verdicts: Sequence[dict[str, Any]] = ()

    def as_judged_by(self, view: str) -> "Results | None":
        """The same curves where a gold of another strictness is gold (see `curves.STRICTNESS`); None where it did not judge.

        What proxies learned stays: gold labelled their pairs. What that gold did not judge is left out: curves that are
        computed and not measured (tilting), and far best-of-n, most of whose samples nobody judges.
        """
        curves = self.curves.filter(pl.col("method") != "tilt")
        if not (_judged(curves, view) and _judged(self.by_prompt, view)):
            return None
        far, far_by_prompt = self.far, self.far_by_prompt
        if far is None or far_by_prompt is None or not (_judged(far, view) and _judged(far_by_prompt, view)):
            far = far_by_prompt = None
        return replace(
            self,
            curves=_gold_from(curves, view),
            by_prompt=_gold_from(self.by_prompt, view),
            far=None if far is None else _gold_from(far, view),
            far_by_prompt=None if far_by_prompt is None else _gold_from(far_by_prompt, view),
        )


def _judged(table: pl.DataFrame, view: str) -> bool:
    """Whether every row has a score by the gold `view`."""
    return view in table.columns and not table[view].has_nulls()


def _gold_from(table: pl.DataFrame, view: str) -> pl.DataFrame:
    """The table with `gold`, and its standard error where there is one, as `view` says."""
    errors = {"gold_se": f"{view}_se"} if "gold_se" in table.columns else {}
    return table.with_columns(**{"gold": view} | errors)


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
        proxies=_read_proxies(folder / "proxies.parquet"),
        sweep=_read_if_any(folder / "sweep.parquet"),
        ppo_sweep=_read_if_any(folder / "ppo_sweep.parquet"),
        predictions=read_json(folder / "predictions.json") if study.predictions else (),
        texts=_read_texts(folder / "texts.parquet"),
        chain=read_json(folder / "chain.json"),
        folder=folder,
    )


def _read_proxies(path: Path) -> pl.DataFrame:
    """Tables of before labels could be turned round do not say that none was."""
    found = pl.read_parquet(path)
    return found if "label_noise" in found.columns else found.with_columns(label_noise=pl.lit(0.0))


def _read_texts(path: Path) -> pl.DataFrame:
    """Tables of studies whose gold has no halves, and of before they were told, hold nothing there."""
    found = pl.read_parquet(path)
    absent = [name for name in ("rating", "gate") if name not in found.columns]
    return found.with_columns(pl.lit(None, dtype=pl.Float64).alias(name) for name in absent)


def _read_if_any(path: Path) -> pl.DataFrame | None:
    return pl.read_parquet(path) if path.is_file() else None
