"""The study `methods` on pages of the study it stands beside: it has methods and cells that the other lacks."""

from collections.abc import Sequence

import polars as pl

from overopt import api
from overopt.analysis.results import Results
from overopt.analysis.stopping_judged import CELL
from overopt.plan.study_plan import plan
from overopt.study.study import Study, load_study

STUDY = "methods"


def beside(results: Results) -> Results | None:
    """The results of `STUDY`, if they are committed and what judges `results`, of another study, is the same gold."""
    if results.study.name == STUDY or _golds(load_study(STUDY)) != _golds(results.study):
        return None
    return api.load_committed(STUDY)


def all_curves(studies: Sequence[Results]) -> pl.DataFrame:
    """The curves of one study or of several; a run that several have is there once, as the first of them has it."""
    found = pl.concat([results.curves for results in studies], how="diagonal_relaxed")
    of_run = [name for name in (*CELL, "seed") if name in found.columns]
    first = found.group_by(of_run, maintain_order=True).agg(pl.first("study", "record"))
    return found.join(first, on=["study", "record"], how="semi", maintain_order="left")


def _golds(study: Study) -> set[str]:
    """Keys of the stages that make gold of rating and text."""
    return {stage.key for stage in plan(study).stages if stage.name == "gated_gold"}
