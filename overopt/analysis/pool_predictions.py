"""What was predicted from the pool before anything was optimised, beside what came.

A prediction is made by a stage that has the pool and the proxy for parents and nothing else. Both it and what came have 95%
intervals over prompts: of the same prompts, so that an error within them is expected, and one beyond them is the model's.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from overopt.analysis.evidence import Evidence
from overopt.analysis.fitted_laws import LAW_OF, prompt_points
from overopt.estimators.bootstrap import bootstrap
from overopt.util.seeds import derive

COEFFICIENTS = ("alpha", "beta", "peak_kl", "peak_gold")
ENDS = ("", "_low", "_high")
CURVE = (
    "policy_params",
    "rm_params",
    "pairs",
    "epochs",
    "label_noise",
    "seed",
)  # which curve a prediction is of
OF = ("rm_params", "pairs", "label_noise", "seed", "sha256")  # what a row repeats of its prediction
COMPARED = (
    {
        "method": pl.String,
        "rm_params": pl.Int64,
        "pairs": pl.Int64,
        "label_noise": pl.Float64,
        "seed": pl.Int64,
        "coefficient": pl.String,
    }
    | {f"{what}{end}": pl.Float64 for what in ("predicted", "came") for end in ENDS}
    | {"error": pl.Float64, "within": pl.Boolean, "sha256": pl.String}
)


def compared(*studies: Evidence) -> pl.DataFrame:
    """One row a prediction, method and coefficient: the columns `COMPARED`; no row where nothing was predicted.

    Of a curve that two studies have, the first study's prediction has the row.

    error: came - predicted, null where one of them is not known, as a peak whose interval is open. within: whether intervals
    overlap, as they do of a peak that both have beyond all measure. Alpha is in SDs a sqrt(nat), beta in SDs a nat for
    best-of-n and in SDs a sqrt(nat) for PPO, the peak in nats and SDs.
    """
    rows = [row for evidence in studies for row in _rows(evidence)]
    curve = ["method", "rm_params", "pairs", "label_noise", "seed", "coefficient"]
    return pl.DataFrame(rows, schema=COMPARED).unique(curve, keep="first", maintain_order=True)


def summary(compared: pl.DataFrame) -> pl.DataFrame:
    """One row a method and coefficient of `compared`: how far off predictions are, as a whole.

    Columns: `method, coefficient, predictions`; `known`: those with a number on both sides; `error` and `size`: the mean of
    their errors, and the root of the mean square; `within`: share of all whose interval overlaps that of what came.
    """
    return compared.group_by("method", "coefficient", maintain_order=True).agg(
        pl.len().alias("predictions"),
        pl.col("error").count().alias("known"),
        pl.col("error").mean(),
        (pl.col("error") ** 2).mean().sqrt().alias("size"),
        pl.col("within").mean(),
    )


def _rows(evidence: Evidence) -> Iterator[dict[str, Any]]:
    plain = evidence.plain_but("label_noise")
    for told in evidence.results.predictions:
        which = {name: told[name] for name in CURVE}
        for method in ("bon", "ppo"):
            runs = plain.filter(method=method, **which)["record"].unique()
            if told[method] and len(runs) == 1:
                came = _fitted(evidence, method, str(runs[0]))
                for name in COEFFICIENTS:
                    row = {column: told[column] for column in OF}
                    yield row | {"method": method, "coefficient": name} | _beside(name, told[method], came)


def _fitted(evidence: Evidence, method: str, record: str) -> dict[str, float]:
    """Coefficients of one measured curve with their intervals, by the names that a prediction has for them."""
    points = prompt_points(evidence.results.by_prompt, record)
    law = bootstrap([points], LAW_OF[method], rng=np.random.default_rng(derive(0, "came", record)))
    found: dict[str, float] = {}
    for name in COEFFICIENTS:
        found[name] = getattr(law.fit, name)
        found[f"{name}_low"], found[f"{name}_high"] = getattr(law, name)
    return found


def _beside(name: str, told: dict[str, Any], came: dict[str, float]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for end in ENDS:
        row[f"predicted{end}"] = told[f"{name}{end}"]
        row[f"came{end}"] = came[name + end] if np.isfinite(came[name + end]) else None
    for what in ("predicted", "came"):
        if name.startswith("peak") and row[f"{what}_high"] is None:
            row[what] = None  # it may never turn: where it would is no number to print
    known = row["predicted"] is not None and row["came"] is not None
    row["error"] = row["came"] - row["predicted"] if known else None
    row["within"] = not _apart(row, "predicted", "came") and not _apart(row, "came", "predicted")
    return row


def _apart(row: dict[str, Any], below: str, above: str) -> bool:
    """Whether one interval ends below where the other begins; without an end it goes on for ever."""
    high, low = row[f"{below}_high"], row[f"{above}_low"]
    return high is not None and low is not None and high < low
