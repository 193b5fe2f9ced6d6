"""Evidence of synthetic results, whose gold can be any function of KL."""

from pathlib import Path

import fake_results
import polars as pl

from overopt.analysis.evidence import Evidence
from overopt.analysis.results import Results
from overopt.study.study import load_study

RECORD = {"seeds": [0, 1], "git": "a" * 40, "seconds": 60.0, "device": "cpu", "key": "b" * 64}  # of a run


def evidence(change=lambda table: table, **options):
    """Evidence of synthetic results whose two tables went through `change`."""
    found, study = fake_results.load(**options), load_study("smoke")
    return Evidence(
        Results(
            study=study,
            record=found.record,
            curves=change(found.curves).with_columns(policy_params=study.models[study.policy].parameters),
            by_prompt=change(found.by_prompt),
            far=None,
            far_by_prompt=None,
            proxies=pl.DataFrame(),
            sweep=None,
            texts=found.texts,
            chain=found.chain,
            folder=Path(),
        )
    )
