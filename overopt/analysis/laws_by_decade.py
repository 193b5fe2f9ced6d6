"""One law across decades: how alpha and beta change with the proxy's size and its pairs, here and elsewhere.

Gold of one study is not that of another: sizes stand as shares of gold's own size, and a change is one for ten times the
parameters or the pairs. Ours have 95% intervals over prompts and seeds; nobody else printed any.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from overopt.analysis import laws_elsewhere
from overopt.analysis.averages import NAMES
from overopt.analysis.evidence import Evidence, Slice
from overopt.analysis.resampled import slope_by_size
from overopt.estimators.bootstrap import Bootstrap

HERE = "here"
COEFFICIENTS = ("alpha", "beta")
POINTS = {
    "source": pl.String,
    "method": pl.String,
    "coefficient": pl.String,
    "along": pl.String,  # "size" or "pairs": in which the points of a line differ
    "rm_params": pl.Int64,
    "relative": pl.Float64,  # to gold's parameters
    "pairs": pl.Int64,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
}
SLOPES = {
    "source": pl.String,
    "method": pl.String,
    "coefficient": pl.String,
    "along": pl.String,
    "points": pl.Int64,
    "decades": pl.Float64,
    "least": pl.Float64,
    "most": pl.Float64,
    "slope": pl.Float64,
    "slope_low": pl.Float64,
    "slope_high": pl.Float64,
}


def points(evidence: Evidence) -> pl.DataFrame:
    """Every coefficient that is known, ours and others': the columns `POINTS`, without ends where nobody knows them.

    Units as in `laws_elsewhere.table`. Ours by size are at the main number of pairs; by pairs, of the largest proxy that has
    all numbers of them, by best-of-n.
    """
    rows = [*_elsewhere(), *_here(evidence)]
    return pl.DataFrame(rows, schema=POINTS).drop_nulls("value")


def slopes(evidence: Evidence) -> pl.DataFrame:
    """Change of each coefficient for ten times the proxy's size or the pairs, by least squares: the columns `SLOPES`.

    least, most: where the line begins and ends, as shares of gold's size, or in pairs; decades: how far that is, in powers
    of ten. One row a source, method, coefficient and way, where there are two points or more.
    """
    rows = []
    keys = ["method", "coefficient", "along", "source"]
    for (method, coefficient, along, source), part in points(evidence).group_by(keys, maintain_order=True):
        x = part["rm_params" if along == "size" else "pairs"].to_list()
        if len(set(x)) < 2:
            continue
        shown = part["relative" if along == "size" else "pairs"].to_list()
        laws = _ours(evidence, str(method), str(along)) if source == HERE else {}
        slope, (low, high) = _slope(x, part["value"].to_list(), list(laws.values()), str(coefficient))
        rows.append(
            {
                "source": source,
                "method": method,
                "coefficient": coefficient,
                "along": along,
                "points": len(x),
                "decades": math.log10(max(x) / min(x)),
                "least": float(min(shown)),
                "most": float(max(shown)),
                "slope": slope,
                "slope_low": low,
                "slope_high": high,
            }
        )
    return pl.DataFrame(rows, schema=SLOPES).sort("method", "along", "coefficient", "source")


def _slope(
    x: list[int], values: list[float], laws: list[Bootstrap], coefficient: str
) -> tuple[float, tuple[float | None, float | None]]:
    """Change for ten times x; its interval where the values have draws, all of them enough."""
    count = min((len(law.coefficients) for law in laws), default=0)
    if count < 100:
        return slope_by_size(x, values, np.array([values, values]))[0], (None, None)
    column = COEFFICIENTS.index(coefficient)
    draws = np.stack([law.coefficients[:count, column] for law in laws], 1)
    return slope_by_size(x, values, draws)


def _elsewhere() -> Iterator[dict[str, Any]]:
    """Others' coefficients, each with the way in which a source varied its proxies."""
    gold = {source.name: source.gold_params for source in laws_elsewhere.sources()}
    for (source,), part in laws_elsewhere.table().group_by("source", maintain_order=True):
        along = "size" if part["rm_params"].n_unique() > 1 else "pairs"
        for law in part.iter_rows(named=True):
            place = {name: law[name] for name in ("source", "method", "rm_params", "pairs")}
            place |= {"along": along, "relative": law["rm_params"] / gold[str(source)]}
            for name in COEFFICIENTS:
                yield place | {"coefficient": name, "value": law[name], "low": None, "high": None}


def _here(evidence: Evidence) -> Iterator[dict[str, Any]]:
    gold = evidence.results.chain["gold"]["params"]
    for method in NAMES:
        for along in ("size", "pairs"):
            for (rm_params, pairs), law in _ours(evidence, method, along).items():
                place = {
                    "source": HERE,
                    "method": method,
                    "along": along,
                    "rm_params": rm_params,
                    "pairs": pairs,
                }
                for name in COEFFICIENTS:
                    low, high = getattr(law, name)
                    ends = {"value": getattr(law.fit, name), "low": low, "high": high}
                    yield place | {"relative": rm_params / gold, "coefficient": name} | ends


def _ours(evidence: Evidence, method: str, along: str) -> dict[tuple[int, int], Bootstrap]:
    """Our laws that were fitted, by the proxy's parameters and pairs, in their order."""
    if along == "size":
        laws = _fitted(evidence.sizes, method)
        return {(size, evidence.pairs): law for size, law in laws.items()}
    if method != "bon" or not evidence.data_sizes:
        return {}
    size = evidence.data_sizes[-1]
    return {(size, pairs): law for pairs, law in _fitted(evidence.data_by_best_of_n(size), method).items()}


def _fitted(curves: Slice, method: str) -> dict[int, Bootstrap]:
    """The laws of one method that could be fitted, by what the curves differ in."""
    fits = curves.fits if curves.has(method, 1) else {}
    return {
        value: law
        for (name, value), law in sorted(fits.items())
        if name == method and np.isfinite(law.fit.alpha)
    }
