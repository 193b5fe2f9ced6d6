"""The estimators for people with their own scores: files in, tables out.

`bon_table`: scores, in any form that `score_files` reads, become best-of-n curves.
`fit_table`: curves, one row a point, become coefficients, peaks and statuses.

Units are never changed: what comes out is in the units of the scores.
"""

import math
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import polars as pl

from overopt.estimators.best_of_n import BestOfN, best_of_n_ragged, powers_of_two
from overopt.estimators.curve_files import Curves, read_curves
from overopt.estimators.laws import fit, law_named
from overopt.estimators.score_files import Scores, read_scores
from overopt.util.errors import UserError
from overopt.util.files import replacing
from overopt.util.slow_progress import SlowProgress
from overopt.util.table_files import read_table

# What `overopt fit --json` gives for each curve.
FitRow: TypeAlias = dict[str, str | float | int | None]


def bon_table(path: Path) -> pl.DataFrame:
    """Best-of-n curves of the scores in `path`: proxy_name, n, kl, kl_exact (nats), gold, gold_se, proxy, proxy_se.

    The file is one that `overopt.estimators.score_files.read_scores` reads. Prompts may differ in their number of samples
    and count the same. n runs over the powers of two up to the smallest number of samples of a prompt, and that number
    itself: there the estimate is a single draw a prompt, and its standard error says so. `kl` is log n - (n - 1)/n,
    `kl_exact` the KL given the proxy's ties. `gold_se` and `proxy_se` are over prompts, null with a single prompt.
    What takes longer than two seconds says on stderr how far it is.

    Raises:
        UserError: as `read_scores`.
    """
    waiting = SlowProgress()
    scores = read_scores(path, lambda rows: waiting.say(f"{path}: read {rows:,} rows"))
    ns = sorted(
        {*powers_of_two(scores.fewest), scores.fewest}
    )  # about even in sqrt(KL), where curves are drawn
    total = len(scores.gold) * len(scores.proxies)
    done = 0

    def progress(prompts: int) -> None:
        nonlocal done
        done += prompts
        if done < total:
            waiting.say(f"{path}: best-of-n of {done:,} of {total:,} prompts and proxies")

    table: list[dict[str, Any]] = []
    for name, proxy in scores.proxies.items():
        table += [_bon_row(name, point) for point in best_of_n_ragged(proxy, scores.gold, ns, progress)]
    floats = ("kl", "kl_exact", "gold", "gold_se", "proxy", "proxy_se")
    return pl.DataFrame(
        table, schema={"proxy_name": pl.String, "n": pl.Int64} | dict.fromkeys(floats, pl.Float64)
    )


def fit_table(path: Path, form: str, *, centre: bool = False) -> list[FitRow]:
    """Fit the law `form` ("bon" or "rl") to each curve in `path`; one dict a curve, None for what does not exist.

    The file is one that `overopt.estimators.curve_files.read_curves` reads, and one curve for each value of
    `proxy_name` where there is such a column. Other columns are ignored. See `fit_curves` for `centre`.

    Raises:
        UserError: if the form is unknown; as `read_curves` and `fit_curves`.
    """
    law_named(form, "form")
    return fit_curves(read_curves(path), form, path, centre=centre)


def fit_curves(curves: Curves, form: str, path: Path, *, centre: bool = False) -> list[FitRow]:
    """`fit_table` of curves that were read from `path`.

    Both laws are 0 at KL 0. With `centre`, the mean gold of a curve's points at kl = 0 is subtracted
    from its gold first, and alpha, beta and peak_gold are of the gain over it; its noise is not propagated.

    Raises:
        UserError: if the form is unknown; with `centre`, if a curve has no point at kl = 0.
    """
    law = law_named(form, "form")
    results: list[FitRow] = []
    for name, rows in curves.rows_of_each().items():
        kl, gold = curves.kl[rows], curves.gold[rows]
        if centre:
            gold = gold - _start(kl, gold, curves.at_base[rows], name, path)
        fitted = fit(kl, gold, law=law, gold_se=None if curves.gold_se is None else curves.gold_se[rows])
        results.append(
            {
                "proxy_name": name,
                "form": form,
                "alpha": _or_none(fitted.alpha),
                "alpha_se": _or_none(fitted.alpha_se),
                "beta": _or_none(fitted.beta),
                "beta_se": _or_none(fitted.beta_se),
                "peak_kl": _or_none(fitted.peak_kl),
                "peak_gold": _or_none(fitted.peak_gold),
                "status": fitted.status,
                "n_points": fitted.n_points,
            }
        )
    return results


def read_scores_or_curves(path: Path) -> Scores | Curves:
    """What is in `path`: curves where there is a column `kl` and no `prompt`, else scores.

    Raises:
        UserError: as `read_scores` and `read_curves`; if there is no column of either.
    """
    columns = read_table(path).columns
    if "kl" in columns and "prompt" not in columns:
        return read_curves(path)
    if any(name == "prompt" or name.startswith("gold") for name in columns):
        return read_scores(path)
    found = ", ".join(map(repr, columns))
    raise UserError(f"{path}: found the columns {found}, expected 'prompt' (of scores) or 'kl' (of curves)")


def write_table(table: pl.DataFrame, out: Path) -> None:
    """A table as CSV or parquet, by the ending of `out`, whole or not at all.

    Raises:
        UserError: if the ending is another, or `out` cannot be written.
    """
    with replacing(out) as temporary:
        if ending_of(out) == ".csv":
            table.write_csv(temporary)
        else:
            table.write_parquet(temporary)


def ending_of(path: Path) -> str:
    """What `write_table` writes: `.csv` or `.parquet`.

    Raises:
        UserError: if the name of `path` ends in something else.
    """
    ending = path.suffix.lower()
    if ending not in (".csv", ".parquet"):
        raise UserError(f"{path}: found the ending {ending!r}, expected .csv or .parquet")
    return ending


def _bon_row(proxy_name: str, point: BestOfN) -> dict[str, Any]:
    return {
        "proxy_name": proxy_name,
        "n": point.n,
        "kl": point.kl,
        "kl_exact": point.kl_exact,
        "gold": point.gold,
        "gold_se": _or_none(point.gold_se),
        "proxy": point.proxy,
        "proxy_se": _or_none(point.proxy_se),
    }


def _start(kl: np.ndarray, gold: np.ndarray, at_base: np.ndarray, name: str | None, path: Path) -> float:
    """Gold at KL 0: of the base policy itself where it was measured, else of points that count as there."""
    start = at_base if at_base.any() else kl == 0
    if not start.any():
        curve = "" if name is None else f" of {name!r}"
        raise UserError(f"{path}: found no point at kl 0 in the curve{curve}, expected one to centre on")
    return float(gold[start].mean())


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
