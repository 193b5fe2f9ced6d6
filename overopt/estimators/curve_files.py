"""Curves from a file, as `overopt bon`, `overopt judge` and other people's programs write them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Bool, Float64

from overopt.util.errors import UserError
from overopt.util.table_files import numbers, optional_numbers, read_table, require

SIGNIFICANT = 3.0  # standard errors below 0 at which a KL is no estimate of anything
SLIGHT = 0.01  # of the largest KL: so far below 0 an estimate may be where its error is not known

ROUNDING = 1e-9  # nats below 0 that say nothing at all


@dataclass(frozen=True)
class Curves:
    """Points of curves: kl (nats, not negative), gold, its standard error where known, and the name of each one's curve.

    at_base: which points are at the base policy itself, with a KL that is 0 as it was written; notes: what was made of
    the file, a sentence each; file: all its columns.
    """

    kl: Float64[np.ndarray, " points"]
    gold: Float64[np.ndarray, " points"]
    gold_se: Float64[np.ndarray, " points"] | None
    names: list[str | None]
    at_base: Bool[np.ndarray, " points"]
    notes: tuple[str, ...]
    file: pl.DataFrame

    def rows_of_each(self) -> dict[str | None, Bool[np.ndarray, " points"]]:
        """Which rows are of each name, in the order of the file."""
        names = dict.fromkeys(self.names)
        return {name: np.array([label == name for label in self.names]) for name in names}


def read_curves(path: Path) -> Curves:
    """Points with columns `kl` and `gold`, and where there are `kl_exact`, `kl_se`, `gold_se` and `proxy_name`.

    `kl_exact` stands for `kl` where it is given. A KL below 0 counts as 0 if that is within the error of an estimate:
    3 of its standard errors (`kl_se`), or where there are none 1% of the file's largest KL.

    Raises:
        UserError: if the file is missing, empty or unreadable, a column is missing, a value is not finite, a kl is
            further below 0, a gold_se is not positive where it is used or given for some points only.
    """
    df = read_table(path)
    for name in ("kl", "gold"):
        require(df, name, path)
    kl, gold = numbers(df, "kl", path), numbers(df, "gold", path)
    kl, notes = _given_ties(df, kl, path)
    at_base = kl == 0
    kl, more = _not_negative(df, kl, path)
    return Curves(kl, gold, _gold_se(df, kl, path), _names(df, path), at_base, (*notes, *more), df)


def _given_ties(df: pl.DataFrame, kl: np.ndarray, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    if "kl_exact" not in df.columns or df["kl_exact"].null_count() == df.height:
        return kl, ()
    known = df["kl_exact"].is_not_null().to_numpy()
    exact = kl.copy()
    exact[known] = numbers(df.filter(known), "kl_exact", path)
    other = np.abs(exact - kl) > 1e-9 * (1 + np.abs(kl))
    if not other.any():
        return kl, ()
    most = float(np.abs(exact - kl).max())
    note = (
        f"{path}: KL is that of column 'kl_exact', which for {other.sum()} of {len(kl)} points differs from 'kl', by up "
        f"to {most:.3g} nats: proxies tie"
    )
    return exact, (note,)


def _not_negative(df: pl.DataFrame, kl: np.ndarray, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    below = kl < 0
    if not below.any():
        return kl, ()
    least = np.full(len(kl), -SLIGHT * max(float(kl.max()), 0.0))
    errors = optional_numbers(df, "kl_se", path)
    if errors is not None:
        if (errors < 0).any():
            row = int(np.argmax(errors < 0))
            raise UserError(f"{path}, column 'kl_se', row {row + 1}: found {errors[row]}, expected 0 or more")
        least = -SIGNIFICANT * errors
    least = np.minimum(least, -ROUNDING)
    if (kl < least).any():
        row = int(np.argmin(kl - least))
        raise UserError(
            f"{path}, column 'kl', row {row + 1}: found {kl[row]}, expected nats, not negative beyond the error of an "
            f"estimate, here {least[row]:.3g}"
        )
    note = (
        f"{path}: KL is below 0 for {below.sum()} of {len(kl)} points, by no more than its error ({kl.min():.3g} nats at "
        "the lowest): they count as 0"
    )
    return np.maximum(kl, 0.0), (note,)


def _gold_se(df: pl.DataFrame, kl: np.ndarray, path: Path) -> np.ndarray | None:
    gold_se = optional_numbers(df, "gold_se", path)
    if gold_se is None:
        return None
    bad = (gold_se < 0) | ((gold_se == 0) & (kl > 0))
    if bad.any():
        row = int(np.argmax(bad))
        raise UserError(
            f"{path}, column 'gold_se', row {row + 1}: found {gold_se[row]}, expected more than 0"
        )
    return gold_se


def _names(df: pl.DataFrame, path: Path) -> list[str | None]:
    if "proxy_name" not in df.columns:
        return [None] * df.height
    if df["proxy_name"].null_count():
        row = int(df["proxy_name"].is_null().arg_max() or 0) + 1
        raise UserError(
            f"{path}, column 'proxy_name', row {row}: found nothing, expected a name in every row"
        )
    return df["proxy_name"].cast(pl.String).to_list()
