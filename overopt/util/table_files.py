"""Tables in files that people have: CSV, JSON, JSON lines and parquet, the texts among them packed by gzip or not."""

import csv
import gzip
import io
import itertools
import json
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from overopt.util.chats import conversation
from overopt.util.checked_arrays import LARGEST
from overopt.util.errors import UserError

TABLES = (".csv", ".json", ".jsonl", ".ndjson", ".parquet")
ROWS = 100_000  # rows of JSON lines that become columns at once
Chat = Callable[[Any, str], str]


def format_of(path: Path, formats: Sequence[str] = TABLES) -> str:
    """The ending that says what is in a file, in small letters and without .gz.

    >>> format_of(Path("scores.CSV.gz"))
    '.csv'

    Raises:
        UserError: if it is none of `formats`, or parquet in gzip.
    """
    endings = [ending.lower() for ending in path.suffixes[-2:]]
    packed = endings[-1:] == [".gz"]
    ending = endings[0] if packed and len(endings) == 2 else "".join(endings[-1:])
    if ending not in formats or (packed and ending == ".parquet"):
        known = f"{', '.join(formats[:-1])} or {formats[-1]}"
        found = "".join(endings) if packed else ending
        raise UserError(f"{path}: found the ending {found!r}, expected {known}; text may end in .gz too")
    return ending


def read_table(
    path: Path,
    *,
    expected: str = "a table of scores or curves",
    text: Sequence[str] = ("prompt", "proxy_name"),
    chat: Chat = conversation,
    progress: Callable[[int], object] = lambda rows: None,
) -> pl.DataFrame:
    """The table in `path`, with at least one row.

    Columns of `text` stay text, so that a prompt "01" stays one; every other column of a CSV is float64, or text where
    an entry is no finite number. A prompt that is a chat becomes text by `chat`. JSON is a list of rows, or an object
    of columns; JSON lines are rows. `progress` is told how many rows were read.

    Raises:
        UserError: if the file is missing, empty or unreadable, or its columns have no names of their own.
    """
    ending = format_of(path)
    if not path.is_file():
        raise UserError(f"{path}: found no such file, expected {expected}")
    if path.stat().st_size == 0:
        raise UserError(f"{path}: found an empty file, expected {expected}")
    try:
        if ending == ".csv":
            df = _read_csv(path, text, progress)
        elif ending == ".parquet":
            df = _with_texts(pl.read_parquet(path, glob=False), text, chat, path)
        else:
            df = _read_json(path, text, chat, progress, whole=ending == ".json")
    except UserError:
        raise
    except (
        pl.exceptions.PolarsError,
        OSError,
        EOFError,
        zlib.error,
        csv.Error,
        ValueError,
        TypeError,
    ) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}: could not be read ({reason}), expected a {ending[1:]} table") from None
    if df.is_empty():
        raise UserError(f"{path}: found no rows, expected at least one")
    return df


def opened(path: Path, encoding: str = "utf-8-sig") -> io.TextIOWrapper:
    """A text file to read from, unpacked if its name ends in .gz."""
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding=encoding, newline="")
    return path.open(encoding=encoding, newline="")


def require(df: pl.DataFrame, name: str, path: Path) -> None:
    """Refuse a table without the column `name`.

    Raises:
        UserError: naming the columns that there are.
    """
    if name not in df.columns:
        shown = [repr(column) for column in df.columns[:12]] + ["..."] * (len(df.columns) > 12)
        raise UserError(f"{path}: found no column {name!r} among {', '.join(shown)}, expected one")


def numbers(df: pl.DataFrame, name: str, path: Path) -> np.ndarray:
    """A column as finite float64.

    Raises:
        UserError: naming the first entry that is none by its row, counted from 1.
    """
    column = df[name]
    if column.dtype == pl.String:
        values = _as_floats(column)
    elif column.dtype.is_numeric():
        values = column.cast(pl.Float64)
    else:
        raise UserError(f"{path}, column {name!r}: found type {column.dtype}, expected numbers")
    found = values.to_numpy()  # a null becomes nan
    bad = ~(np.abs(found) <= LARGEST)
    if bad.any():
        row = int(np.argmax(bad))
        entry = "nothing" if column[row] is None else repr(column[row])
        expected = f"a finite number of size at most {LARGEST:g}"
        raise UserError(f"{path}, column {name!r}, row {row + 1}: found {entry}, expected {expected}")
    return found


def optional_numbers(df: pl.DataFrame, name: str, path: Path) -> np.ndarray | None:
    """The column `name` as float64; None where it is not there, or empty throughout.

    Raises:
        UserError: as `numbers`, where it is there for some rows only too.
    """
    if name not in df.columns or df[name].null_count() == df.height:
        return None
    return numbers(df, name, path)


def _as_floats(column: pl.Series) -> pl.Series:
    return column.str.strip_chars().cast(pl.Float64, strict=False)


def _read_csv(path: Path, text: Sequence[str], progress: Callable[[int], object]) -> pl.DataFrame:
    """Part by part: ten million rows of text would not fit where their numbers do."""
    _check_header(path)
    parts, rows = [], 0
    for part in pl.scan_csv(path, infer_schema=False, glob=False).collect_batches():
        columns = [
            column.cast(pl.Categorical) if column.name in text else _floats_or_text(column) for column in part
        ]
        parts.append(pl.DataFrame(columns))
        rows += part.height
        progress(rows)
    return pl.concat(parts, how="vertical_relaxed") if parts else pl.DataFrame()


def _floats_or_text(column: pl.Series) -> pl.Series:
    values = _as_floats(column)
    fine = (values.abs() <= LARGEST) | column.is_null()
    return values if bool(fine.fill_null(False).all()) else column


def _check_header(path: Path) -> None:
    """Polars would rename a repeated column, and a saved pandas index has no name: neither is a proxy."""
    with opened(path) as file:
        header = next(csv.reader(file), [])
    seen: set[str] = set()
    for position, name in enumerate(header):
        if not name.strip():
            raise UserError(f"{path}: found no name for column {position + 1}, expected one for every column")
        if name in seen:
            raise UserError(f"{path}: found the column {name!r} twice, expected every column once")
        seen.add(name)


def _read_json(
    path: Path, text: Sequence[str], chat: Chat, progress: Callable[[int], object], *, whole: bool
) -> pl.DataFrame:
    with opened(path) as file:
        if whole:
            content = file.read()
            try:
                found = json.loads(content)
            except ValueError:  # JSON lines are often called .json
                found = [json.loads(line) for line in content.splitlines() if line.strip()]
                if len(found) < 2:
                    raise
            if isinstance(found, dict):
                if not all(isinstance(column, list) for column in found.values()):
                    keys = ", ".join(repr(key) for key in list(found)[:6])
                    raise UserError(
                        f"{path}: found one object with the keys {keys}, expected a list of rows, or lists as columns"
                    )
                found = [dict(zip(found, row, strict=True)) for row in zip(*found.values(), strict=True)]
            rows: Iterator[Any] = iter(found) if isinstance(found, list) else iter([found])
        else:
            rows = (json.loads(line) for line in file if line.strip())
        parts, count = [], 0
        while batch := list(itertools.islice(rows, ROWS)):
            parts.append(pl.DataFrame(_named(batch, text, chat, path, count), infer_schema_length=None))
            count += len(batch)
            progress(count)
    return pl.concat(parts, how="diagonal_relaxed") if parts else pl.DataFrame()


def _named(
    batch: list[Any], text: Sequence[str], chat: Chat, path: Path, before: int
) -> list[dict[str, Any]]:
    """Rows with their names, their chats as text; a row that is a text alone is a prompt."""
    rows = []
    for k, row in enumerate(batch, before + 1):
        if isinstance(row, str):
            row = {"prompt": row}
        if not isinstance(row, dict):
            raise UserError(f"{path}, row {k}: found no object, expected one with a name for every value")
        rows.append(
            {
                name: _text(value, chat, path, k) if name in text else _number(value)
                for name, value in row.items()
            }
        )
    return rows


def _number(value: Any) -> Any:
    """What is a number, or a list of such, as floats: polars takes a column's type from its first entries."""
    if isinstance(value, list) and not any(isinstance(entry, bool) for entry in value):
        return [_number(entry) for entry in value]
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return math.inf
    return value


def _with_texts(df: pl.DataFrame, text: Sequence[str], chat: Chat, path: Path) -> pl.DataFrame:
    for name in text:
        if name in df.columns and isinstance(df[name].dtype, pl.List | pl.Struct | pl.Array | pl.Object):
            found = [_text(value, chat, path, k) for k, value in enumerate(df[name].to_list(), 1)]
            df = df.with_columns(pl.Series(name, found, dtype=pl.String))
    return df


def _text(value: Any, chat: Chat, path: Path, row: int) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return str(value)
    return chat(value, f"{path}, row {row}")
