"""Scores as people have them in files: a row a sample, a row a prompt with lists, or a row a prompt with many columns.

    long   prompt, gold, one or more proxies                 a row a sample
    lists  gold_scores or gold, proxy_scores (proxy...)      a row a prompt; what Coste et al. 2024 write
    wide   gold_0, gold_1, ..., proxy_0, proxy_1, ...        a row a prompt; empty cells where it has fewer samples

Whatever could be read in two ways is refused.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Float64

from overopt.util.checked_arrays import LARGEST
from overopt.util.errors import UserError
from overopt.util.table_files import numbers, read_table, require

NUMBERED = re.compile(r"(.+?)_?(\d+)")
GOLD_LISTS = ("gold_scores", "gold")


@dataclass(frozen=True)
class Scores:
    """Scores of samples, a vector a prompt: gold, and every proxy's by its name."""

    gold: list[Float64[np.ndarray, " _"]]
    proxies: dict[str, list[Float64[np.ndarray, " _"]]]

    @property
    def fewest(self) -> int:
        """The smallest number of samples of a prompt."""
        return min(len(row) for row in self.gold)


def read_scores(path: Path, progress: Callable[[int], object] = lambda rows: None) -> Scores:
    """Scores from CSV, JSON, JSON lines or parquet, in any of the forms above.

    Raises:
        UserError: if the file is missing, empty or unreadable, has none of the forms or more than one, or a prompt or
            score is missing or not finite.
    """
    df = read_table(path, progress=progress)
    lists = [
        name for name in GOLD_LISTS if name in df.columns and isinstance(df[name].dtype, pl.List | pl.Array)
    ]
    wide = [name for name in df.columns if re.fullmatch(r"gold_?\d+", name)]
    if len(lists) > 1 or (wide and set(GOLD_LISTS) & set(df.columns)):
        both = ", ".join(
            repr(name) for name in dict.fromkeys((*lists, *wide[:1], *GOLD_LISTS)) if name in df.columns
        )
        raise UserError(f"{path}: found the columns {both}, expected gold in one form only")
    if lists:
        return _from_lists(df, lists[0], path)
    return _from_wide(df, path) if wide else _from_long(df, path)


def _from_long(df: pl.DataFrame, path: Path) -> Scores:
    for name in ("prompt", "gold"):
        require(df, name, path)
    proxies = [name for name in df.columns if name not in ("prompt", "gold")]
    if not proxies:
        raise UserError(f"{path}: found no column besides 'prompt' and 'gold', expected proxy scores")
    _every_prompt(df, path)
    values = {name: numbers(df, name, path) for name in ("gold", *proxies)}
    codes = df["prompt"].cast(pl.String).cast(pl.Categorical).to_physical().to_numpy()
    # codes hang on what else the process has read: prompts stand in the order of the file
    _, first, which = np.unique(codes, return_index=True, return_inverse=True)
    place = np.argsort(np.argsort(first))[which]
    order = np.argsort(place, kind="stable")  # the rows of each prompt together
    bounds = np.flatnonzero(np.diff(place[order])) + 1
    by_prompt = {name: np.split(column[order], bounds) for name, column in values.items()}
    return Scores(by_prompt.pop("gold"), by_prompt)


def _from_lists(df: pl.DataFrame, gold: str, path: Path) -> Scores:
    lists = [
        name
        for name, dtype in df.schema.items()
        if name != gold and isinstance(dtype, pl.List | pl.Array) and dtype.inner.is_numeric()
    ]
    proxies = [name for name in lists if name.startswith("proxy")] or lists
    if not proxies:
        raise UserError(
            f"{path}: found no lists of numbers besides {gold!r}, expected proxy scores in lists too"
        )
    _a_row_a_prompt(df, path)
    by_prompt = {name: _vectors(df, name, path) for name in (gold, *proxies)}
    for name in proxies:
        for row, (mine, others) in enumerate(zip(by_prompt[name], by_prompt[gold], strict=True), 1):
            if len(mine) != len(others):
                raise UserError(
                    f"{path}, column {name!r}, row {row}: found {len(mine)} scores, expected {len(others)} as in {gold!r}"
                )
    return Scores(by_prompt.pop(gold), by_prompt)


def _vectors(df: pl.DataFrame, name: str, path: Path) -> list[np.ndarray]:
    vectors = []
    for row, values in enumerate(df[name], 1):
        if values is None or not len(values):
            raise UserError(
                f"{path}, column {name!r}, row {row}: found no scores, expected a list of numbers"
            )
        if not values.dtype.is_numeric():
            raise UserError(
                f"{path}, column {name!r}: found lists of {values.dtype}, expected lists of numbers"
            )
        vector = values.cast(pl.Float64).to_numpy()
        bad = ~(np.abs(vector) <= LARGEST)
        if bad.any():
            place = int(np.argmax(bad))
            found = "nothing" if values[place] is None else values[place]
            raise UserError(
                f"{path}, column {name!r}, row {row}: found {found} as score {place + 1}, expected a finite number of "
                f"size at most {LARGEST:g}"
            )
        vectors.append(vector)
    return vectors


def _from_wide(df: pl.DataFrame, path: Path) -> Scores:
    stems: dict[str, dict[int, str]] = {}  # of each score, its columns by the sample's number
    for name in df.columns:
        if name != "prompt":
            match = NUMBERED.fullmatch(name)
            if match is None:
                raise UserError(
                    f"{path}: found the column {name!r} beside 'gold_0', 'gold_1', ..., expected 'prompt' and numbered "
                    "columns of scores only"
                )
            stems.setdefault(match[1], {})[int(match[2])] = name
    samples = sorted(stems["gold"])
    proxies = [stem for stem in stems if stem != "gold"]
    if not proxies:
        raise UserError(f"{path}: found numbered columns of 'gold' alone, expected those of a proxy too")
    for stem in proxies:
        if sorted(stems[stem]) != samples:
            raise UserError(
                f"{path}: found {len(stems[stem])} columns of {stem!r} and {len(samples)} of 'gold', expected the same "
                "numbers for both"
            )
    _a_row_a_prompt(df, path)
    gold_there = df.select(pl.col(stems["gold"][k]).is_not_null() for k in samples).to_numpy()
    by_prompt = {}
    for stem in ("gold", *proxies):
        columns = [stems[stem][k] for k in samples]
        there = df.select(pl.col(columns).is_not_null()).to_numpy()
        if (there != gold_there).any():
            row, column = np.argwhere(there != gold_there)[0]
            raise UserError(
                f"{path}, row {row + 1}: found one of {columns[column]!r} and {stems['gold'][samples[column]]!r} empty, "
                "expected both or neither"
            )
        filled = df.select(
            df[name].cast(pl.String).fill_null("0") if df[name].dtype == pl.String else df[name].fill_null(0)
            for name in columns
        )
        values = np.stack([numbers(filled, name, path) for name in columns], axis=1)
        by_prompt[stem] = [row[known] for row, known in zip(values, there, strict=True)]
    if not gold_there.any(axis=1).all():
        row = int(np.argmin(gold_there.any(axis=1)))
        raise UserError(f"{path}, row {row + 1}: found no scores, expected those of a sample or more")
    return Scores(by_prompt.pop("gold"), by_prompt)


def _every_prompt(df: pl.DataFrame, path: Path) -> None:
    if df["prompt"].null_count():
        row = int(df["prompt"].is_null().arg_max() or 0) + 1
        raise UserError(f"{path}: found no prompt in row {row}, expected one in every row")


def _a_row_a_prompt(df: pl.DataFrame, path: Path) -> None:
    """Where there are prompts; without any, each row counts as one."""
    if "prompt" not in df.columns:
        return
    _every_prompt(df, path)
    again = df["prompt"].cast(pl.String).is_first_distinct().not_()
    if again.any():
        row = int(again.arg_max() or 0) + 1
        raise UserError(
            f"{path}: found the prompt of row {row} before, expected one row a prompt with all its scores"
        )
