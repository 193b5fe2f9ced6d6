"""The estimators for people with their own scores: files in, tables out.

`bon_table`: a table of scores, one row a sample, becomes best-of-n curves.
`fit_table`: curves, one row a point, become coefficients, peaks and statuses.

CSV or parquet, by the name's ending. Units are never changed: what comes out is in the units of the scores.
"""

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from jaxtyping import Bool, Float64

from overopt.estimators.best_of_n import BestOfN, best_of_n_ragged, powers_of_two
from overopt.estimators.laws import fit, law_named
from overopt.util.checked_arrays import LARGEST
from overopt.util.errors import UserError
from overopt.util.files import replacing

# What `overopt fit --json` gives for each curve.
FitRow: TypeAlias = dict[str, str | float | int | None]


@dataclass(frozen=True)
class Scores:
    """Gold, and each proxy by name: one array a prompt, of its samples in the order of the file, in the file's units."""

    gold: list[Float64[np.ndarray, " _"]]
    proxies: dict[str, list[Float64[np.ndarray, " _"]]]

    @property
    def fewest(self) -> int:
        """The smallest number of samples of a prompt: the largest n that all prompts have."""
        return min(map(len, self.gold))


@dataclass(frozen=True)
class Curves:
    """Points of curves in the file's units, kl in nats; names: the proxy of each row, None where the file names none."""

    kl: Float64[np.ndarray, " rows"]
    gold: Float64[np.ndarray, " rows"]
    gold_se: Float64[np.ndarray, " rows"] | None
    names: list[str | None]
    file: pl.DataFrame

    def rows_of_each(self) -> dict[str | None, Bool[np.ndarray, " rows"]]:
        """Which rows are of each proxy, in the order of the file."""
        names = dict.fromkeys(self.names)
        return {name: np.array([label == name for label in self.names]) for name in names}


def bon_table(path: Path) -> pl.DataFrame:
    """Best-of-n curves of the scores in `path`: proxy_name, n, kl (nats), gold, gold_se, proxy, proxy_se.

    The file has columns `prompt` and `gold`, and every other column is one proxy's score. Prompts may differ
    in their number of samples and count the same. n runs over the powers of two up to the smallest number of
    samples of a prompt, and that number itself: there the estimate is a single draw a prompt, and its
    standard error says so. `gold_se` and `proxy_se` are over prompts, null with a single prompt.

    Raises:
        UserError: if the file is missing, empty or unreadable, a column is missing, or a prompt or score is.
    """
    scores = read_scores(path)
    ns = sorted(
        {*powers_of_two(scores.fewest), scores.fewest}
    )  # about even in sqrt(KL), where the curves are drawn
    table: list[dict[str, Any]] = []
    for name, proxy in scores.proxies.items():
        table += [_bon_row(name, point) for point in best_of_n_ragged(proxy, scores.gold, ns)]
    floats = ("kl", "gold", "gold_se", "proxy", "proxy_se")
    return pl.DataFrame(
        table, schema={"proxy_name": pl.String, "n": pl.Int64} | dict.fromkeys(floats, pl.Float64)
    )


def fit_table(path: Path, form: str, *, centre: bool = False) -> list[FitRow]:
    """Fit the law `form` ("bon" or "rl") to each curve in `path`; one dict a curve, None for what does not exist.

    The file has columns `kl` (nats) and `gold`, may have `gold_se` (empty throughout counts as absent), and
    is one curve for each value of `proxy_name` where there is such a column. Other columns are ignored.

    Both laws are 0 at KL 0. With `centre`, the mean gold of a curve's points at kl = 0 is subtracted
    from its gold first, and alpha, beta and peak_gold are of the gain over it; its noise is not propagated.

    Raises:
        UserError: if the form is unknown, the file is missing, empty or unreadable, a column is missing, a
            value is not finite, a kl is negative, a gold_se is not positive where it is used or given for
            some points only; with `centre`, if a curve has no point at kl = 0.
    """
    law = law_named(form, "form")
    curves = read_curves(path)
    kl, gold, gold_se = curves.kl, curves.gold, curves.gold_se
    results: list[FitRow] = []
    for name, rows in curves.rows_of_each().items():
        golds = gold[rows] - _start(kl[rows], gold[rows], name, path) if centre else gold[rows]
        fitted = fit(kl[rows], golds, law=law, gold_se=None if gold_se is None else gold_se[rows])
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


def read_scores(path: Path) -> Scores:
    """The scores in `path`: columns `prompt`, `gold`, and one a proxy.

    Raises:
        UserError: as `bon_table`.
    """
    df = _read(path)
    for name in ("prompt", "gold"):
        _require(df, name, path)
    proxies = [name for name in df.columns if name not in ("prompt", "gold")]
    if not proxies:
        raise UserError(f"{path}: found no column besides 'prompt' and 'gold', expected proxy scores")
    if df["prompt"].null_count():
        row = int(df["prompt"].is_null().arg_max() or 0) + 1
        raise UserError(f"{path}: found no prompt in row {row}, expected one in every row")
    scores = {name: _numbers(df, name, path) for name in ("gold", *proxies)}
    # Rows of each prompt, prompts in the order in which they first appear.
    rows = df.select("prompt").with_row_index("row").group_by("prompt", maintain_order=True).agg("row")["row"]
    of_prompt = {name: [values[indices.to_numpy()] for indices in rows] for name, values in scores.items()}
    return Scores(gold=of_prompt.pop("gold"), proxies=of_prompt)


def read_curves(path: Path) -> Curves:
    """The curves in `path`: columns `kl` (nats), `gold`, and where they are there `gold_se` and `proxy_name`.

    Raises:
        UserError: as `fit_table`, but for its form and centre.
    """
    df = _read(path)
    for name in ("kl", "gold"):
        _require(df, name, path)
    kl, gold = _numbers(df, "kl", path), _numbers(df, "gold", path)
    if kl.min() < 0:
        row = int(np.argmin(kl))
        raise UserError(f"{path}, column 'kl', row {row + 1}: found {kl[row]}, expected nats, not negative")
    gold_se = optional_numbers(df, "gold_se", path)
    if gold_se is not None:
        bad = (gold_se < 0) | ((gold_se == 0) & (kl > 0))
        if bad.any():
            row = int(np.argmax(bad))
            raise UserError(
                f"{path}, column 'gold_se', row {row + 1}: found {gold_se[row]}, expected more than 0"
            )
    if "proxy_name" not in df.columns:
        return Curves(kl, gold, gold_se, [None] * df.height, df)
    if df["proxy_name"].null_count():
        row = int(df["proxy_name"].is_null().arg_max() or 0) + 1
        raise UserError(
            f"{path}, column 'proxy_name', row {row}: found nothing, expected a name in every row"
        )
    return Curves(kl, gold, gold_se, df["proxy_name"].cast(pl.String).to_list(), df)


def read_scores_or_curves(path: Path) -> Scores | Curves:
    """What is in `path`: scores where there is a column `prompt`, else curves.

    Raises:
        UserError: as `read_scores` and `read_curves`; if there is neither a column `prompt` nor a column `kl`.
    """
    columns = _read(path).columns
    if "prompt" in columns:
        return read_scores(path)
    if "kl" in columns:
        return read_curves(path)
    found = ", ".join(map(repr, columns))
    raise UserError(f"{path}: found the columns {found}, expected 'prompt' (of scores) or 'kl' (of curves)")


def optional_numbers(df: pl.DataFrame, name: str, path: Path) -> Float64[np.ndarray, " rows"] | None:
    """The column `name` of what was read from `path`; None where it is not there, or empty throughout.

    Raises:
        UserError: if an entry is no finite number, or there for some rows only.
    """
    if name not in df.columns or df[name].null_count() == df.height:
        return None
    return _numbers(df, name, path)


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


def _bon_row(proxy_name: str, point: BestOfN) -> dict[str, Any]:
    return {
        "proxy_name": proxy_name,
        "n": point.n,
        "kl": point.kl,
        "gold": point.gold,
        "gold_se": _or_none(point.gold_se),
        "proxy": point.proxy,
        "proxy_se": _or_none(point.proxy_se),
    }


def _start(kl: np.ndarray, gold: np.ndarray, name: str | None, path: Path) -> float:
    if not (kl == 0).any():
        curve = "" if name is None else f" of {name!r}"
        raise UserError(f"{path}: found no point at kl 0 in the curve{curve}, expected one to centre on")
    return float(gold[kl == 0].mean())


def ending_of(path: Path) -> str:
    """`.csv` or `.parquet`.

    Raises:
        UserError: if the name of `path` ends in something else.
    """
    ending = path.suffix.lower()
    if ending not in (".csv", ".parquet"):
        raise UserError(f"{path}: found the ending {ending!r}, expected .csv or .parquet")
    return ending


def _read(path: Path) -> pl.DataFrame:
    """The table in `path`, CSV columns as text, so that a prompt "01" stays one and no number is guessed."""
    ending = ending_of(path)
    if not path.is_file():
        raise UserError(f"{path}: found no such file, expected a table of scores or curves")
    if path.stat().st_size == 0:
        raise UserError(f"{path}: found an empty file, expected a table with a header")
    try:
        if ending == ".csv":
            _check_header(path)
            df = pl.read_csv(path, infer_schema=False, glob=False)
        else:
            df = pl.read_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError, csv.Error) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}: could not be read ({reason}), expected a {ending[1:]} table") from None
    if df.is_empty():
        raise UserError(f"{path}: found no rows, expected at least one")
    return df


def _check_header(path: Path) -> None:
    """Polars would rename a repeated column, and a saved pandas index has no name: neither is a proxy."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = next(csv.reader(file), [])
    for position, name in enumerate(header):
        if not name.strip():
            raise UserError(f"{path}: found no name for column {position + 1}, expected one for every column")
        if name in header[:position]:
            raise UserError(f"{path}: found the column {name!r} twice, expected every column once")


def _require(df: pl.DataFrame, name: str, path: Path) -> None:
    if name not in df.columns:
        found = ", ".join(repr(column) for column in df.columns)
        raise UserError(f"{path}: found no column {name!r} among {found}, expected one")


def _numbers(df: pl.DataFrame, name: str, path: Path) -> np.ndarray:
    """A column as finite float64; the first entry that is none is named by its row, counted from 1."""
    column = df[name]
    if column.dtype == pl.String:
        values = column.str.strip_chars().cast(pl.Float64, strict=False)
    elif column.dtype.is_numeric():
        values = column.cast(pl.Float64)
    else:
        raise UserError(f"{path}, column {name!r}: found type {column.dtype}, expected numbers")
    numbers = values.to_numpy()  # a null becomes nan
    bad = ~(np.abs(numbers) <= LARGEST)
    if bad.any():
        row = int(np.argmax(bad))
        found = "nothing" if column[row] is None else repr(column[row])
        expected = f"a finite number of size at most {LARGEST:g}"
        raise UserError(f"{path}, column {name!r}, row {row + 1}: found {found}, expected {expected}")
    return numbers


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
