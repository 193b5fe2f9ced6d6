"""The study `methods` on pages of the study it stands beside: it has methods and cells that the other lacks."""

from collections.abc import Sequence

import polars as pl

from overopt import api
from overopt.analysis.results import Results
from overopt.plan.study_plan import plan
from overopt.study.study import Study, load_study

STUDY = "methods"


def beside(results: Results) -> Results | None:
    """The results of `STUDY`, if they are committed and what judges `results`, of another study, is the same gold."""
    if results.study.name == STUDY or _golds(load_study(STUDY)) != _golds(results.study):
        return None
    return api.load_committed(STUDY)


def all_curves(studies: Sequence[Results]) -> pl.DataFrame:
    """The curves of one study or of several; one that they share is there once."""
    found = pl.concat([results.curves for results in studies], how="diagonal_relaxed")
    return found.filter(pl.col("study") == pl.col("study").first().over("record"))


def _golds(study: Study) -> set[str]:
    """Keys of the stages that make gold of rating and text."""
    return {stage.key for stage in plan(study).stages if stage.name == "gated_gold"}
