"""The one table that every figure, fit and verdict is drawn from: its schema, and how it is kept.

One row is one point of a curve: one policy (best-of-n at one n, the tilted policy at one temperature, or one checkpoint
of training) judged by gold and
by the proxy it was optimised against, on prompts that no training stage has seen. The rows of one curve
share `record`. Scores are in standard deviations of the gold score over the base policy's samples, and the
base policy is at 0; KL is in nats, of completion tokens only, summed over a sample, averaged over samples.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandera.polars as pa
import polars as pl
from jaxtyping import Float64
from pandera.api.polars.types import PolarsData
from pandera.errors import SchemaErrors

from overopt.study.direct_parts import DirectLoss
from overopt.study.ensemble_parts import How
from overopt.util.errors import UserError
from overopt.util.files import replacing

METHODS = ("bon", "tilt", "ppo", "rloo", *get_args(DirectLoss))
PLACES = ("n", "step", "temperature")  # where on its curve a point is: exactly one is known
KL_KINDS = ("analytic", "exact", "k1", "k3")
# one proxy, or the scores or weights of so many made into one: what `Ensembles.label` says
ENSEMBLES = rf"single|({'|'.join(get_args(How))}) of \d+(, weight [\d.e+-]+)?"
STRICTNESS = ("gold_lenient", "gold_strict")  # gold with gates that doubt half and twice as much real text
# columns that tables from before they were known lack: there they hold nothing
LATER = (*STRICTNESS, *(f"{name}_se" for name in STRICTNESS), "rating", "gate", "setting")


def _column(unit: str, meaning: str, **checks: Any) -> Any:
    return pa.Field(description=meaning, metadata={"unit": unit}, **checks)


def _error(of: str, unit: str = "base-policy SDs") -> Any:
    return _column(unit, f"standard error of {of} over prompts, null with a single one", ge=0, nullable=True)


class _Table(pa.DataFrameModel):
    """What holds for both tables: these columns and no others, and every number finite."""

    class Config:
        strict = True

    @pa.check(
        "^(kl(?!_kind)|gold|proxy|rm_[la]|clip|label|entropy|length|temp|ess|rating|gate)",
        regex=True,
        name="finite",
    )
    def _finite(cls, data: PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(pl.col(data.key).is_finite())

    @pa.dataframe_check(name="one place")
    def _one_place(cls, data: PolarsData) -> pl.LazyFrame:
        columns = [name for name in PLACES if name in data.lazyframe.collect_schema()]
        return data.lazyframe.select(pl.sum_horizontal(pl.col(columns).is_not_null()) == 1)


class Curves(_Table):
    """One row a point of a curve."""

    study: str = _column("-", "name of the study")
    world: str = _column("-", "name of the world: the text, the prompts and what gold learned from")
    method: str = _column("-", "how the policy was optimised against the proxy", isin=list(METHODS))
    policy_params: int = _column("parameters", "non-embedding parameters of the policy", ge=0)
    rm_params: int = _column(
        "parameters",
        "non-embedding parameters of the proxy, or of one of several; in direct alignment the policy is its own proxy",
        ge=0,
    )
    pairs: int = _column("pairs", "labelled pairs the proxy was trained on; 0 if gold is its own proxy", ge=0)
    epochs: int = _column("passes", "how often the proxy was trained on each pair", ge=0)
    label_noise: float = _column("fraction", "share of the pairs' labels that were flipped", ge=0, le=1)
    kl_penalty: float = _column(
        "score SDs per nat", "weight of the KL penalty in PPO; in direct alignment beta, logits per nat", ge=0
    )
    ensemble: str = _column(
        "-", "how several proxies were joined into one score", str_matches=rf"^({ENSEMBLES})$"
    )
    setting: str = _column(
        "-",
        "what is otherwise in this run, as the study names it; null where it is as the study runs all",
        nullable=True,
    )
    rounds: int = _column("rounds", "rounds of RLHF, each with a new proxy, of the whole run", ge=1)
    round: int = _column("-", "which of the rounds, from 1", ge=1)
    seed: int = _column(
        "-",
        "seed of the proxy and of what is optimised against it; of several proxies, which of their ensembles",
        ge=0,
    )
    n: int = _column("samples", "best of how many; null for trained policies", ge=1, nullable=True)
    step: int = _column(
        "optimiser steps", "checkpoint of a trained policy; null for best-of-n", ge=0, nullable=True
    )
    temperature: float = _column(
        "base-policy SDs", "of the tilted policy; null for all others", gt=0, nullable=True
    )
    kl: float = _column("nats", "KL(policy || base policy)", ge=0)
    kl_round: float = _column(
        "nats", "KL from the policy this round started from; null in a first round", ge=0, nullable=True
    )
    kl_se: float = _error("kl, 0 where kl is analytic,", "nats")
    kl_kind: str = _column("-", "how kl was found", isin=list(KL_KINDS))
    gold: float = _column("base-policy SDs", "mean gold score")
    gold_se: float = _error("gold")
    proxy: float = _column(
        "base-policy SDs",
        "mean score of the proxy optimised against; in direct alignment beta log(pi/pi0), each point on a scale of its own",
    )
    proxy_se: float = _error("proxy")
    gold_second: float = _column("base-policy SDs", "mean score by the second gold", nullable=True)
    gold_second_se: float = _error("gold_second")
    gold_lenient: float = _column(
        "base-policy SDs", "mean score of a gold that doubts half as much real text", nullable=True
    )
    gold_lenient_se: float = _error("gold_lenient")
    gold_strict: float = _column(
        "base-policy SDs", "mean score of a gold that doubts twice as much real text", nullable=True
    )
    gold_strict_se: float = _error("gold_strict")
    rating: float = _column(
        "base-policy SDs", "mean rating: what gold would be if all text passed for language", nullable=True
    )
    gate: float = _column("fraction", "how surely text passes for language, mean", ge=0, le=1, nullable=True)
    prompts: int = _column("prompts", "evaluation prompts behind the point", ge=1)
    samples: int = _column("samples", "samples per prompt behind the point", ge=1)
    rm_loss: float = _column("nats per pair", "validation loss of the proxy, log-sigmoid", ge=0)
    rm_accuracy: float = _column(
        "fraction", "validation pairs the proxy orders as their labels do", ge=0, le=1
    )
    kl_k1: float = _column(
        "nats", "the same KL from the mean log-ratio, which may come out negative", nullable=True
    )
    kl_k3: float = _column("nats", "the same KL from the mean of ratio - 1 - log-ratio", ge=0, nullable=True)
    clip_fraction: float = _column("fraction", "updates that PPO clipped", ge=0, le=1, nullable=True)
    entropy: float = _column("nats per token", "entropy of the policy's next token", ge=0, nullable=True)
    length: float = _column("tokens", "mean length of a completion", ge=0, nullable=True)
    ess: float = _column("samples", "effective samples a prompt behind a tilted policy", ge=1, nullable=True)
    record: str = _column("-", "key of the stored result that holds this curve")


class ByPrompt(_Table):
    """One row a point and prompt: what a point of `Curves` is the mean of, for resampling prompts."""

    record: str = _column("-", "key of the stored result that holds this curve")
    n: int = _column("samples", "best of how many; null for trained policies", ge=1, nullable=True)
    step: int = _column(
        "optimiser steps", "checkpoint of a trained policy; null for best-of-n", ge=0, nullable=True
    )
    prompt: int = _column("-", "number of the evaluation prompt", ge=0)
    kl: float = _column("nats", "mean KL over this prompt's samples", ge=0)
    gold: float = _column("base-policy SDs", "mean gold score of this prompt's samples")
    proxy: float = _column("base-policy SDs", "mean proxy score of this prompt's samples")
    gold_lenient: float = _column("base-policy SDs", "the same by the more lenient gold", nullable=True)
    gold_strict: float = _column("base-policy SDs", "the same by the stricter gold", nullable=True)


def write(df: pl.DataFrame, path: Path) -> None:
    """Check a curves table and write it as parquet, whole or not at all.

    Raises:
        UserError: (a ValueError) if a column is missing, unknown, or of another type, or a value is not
            finite or out of range; or if `path` cannot be written.
    """
    _write(Curves, df, path)


def read(path: Path) -> pl.DataFrame:
    """Read and check a curves table.

    Raises:
        UserError: (a ValueError) as `write`, and if `path` is missing or no parquet file.
    """
    return _read(Curves, path)


def write_by_prompt(df: pl.DataFrame, path: Path) -> None:
    """`write`, for the table of values by prompt."""
    _write(ByPrompt, df, path)


def read_by_prompt(path: Path) -> pl.DataFrame:
    """`read`, for the table of values by prompt."""
    return _read(ByPrompt, path)


def prompt_curve(by_prompt: pl.DataFrame, record: str) -> dict[str, Float64[np.ndarray, "points prompts"]]:
    """`kl`, `gold` and `proxy` of one curve as arrays [points, prompts], in order of n or step, then prompt:
    what `overopt.estimators.bootstrap.bootstrap` resamples.

    Raises:
        UserError: (a ValueError) if there is no such record, or its points are not all on the same prompts.
    """
    rows = by_prompt.filter(pl.col("record") == record).with_columns(point=pl.coalesce("n", "step"))
    if rows.is_empty():
        raise UserError(f"by_prompt: found no record {record!r}, expected one of the table's")
    points, prompts = rows["point"].n_unique(), rows["prompt"].n_unique()
    if rows.height != points * prompts or rows.select("point", "prompt").is_duplicated().any():
        raise UserError(
            f"by_prompt: found gaps or repeats in record {record!r}, expected each prompt at each point"
        )
    rows = rows.sort("point", "prompt")
    return {name: rows[name].to_numpy().reshape(points, prompts) for name in ("kl", "gold", "proxy")}


def columns() -> list[str]:
    """The columns of a curves table, in their order."""
    return list(_types(Curves))


def _write(model: type[_Table], df: pl.DataFrame, path: Path) -> None:
    # A column without a single value, as `step` in a table of best-of-n alone, has no type yet.
    types = _types(model)
    untyped = [name for name, dtype in df.schema.items() if dtype == pl.Null and name in types]
    df = df.with_columns(pl.col(name).cast(types[name]) for name in untyped)
    # The standard error over a single prompt is no number.
    df = df.with_columns(pl.col("^.*_se$").fill_nan(None))
    checked = _checked(model, df, str(path))
    with replacing(path) as temporary:
        checked.write_parquet(temporary)


def _read(model: type[_Table], path: Path) -> pl.DataFrame:
    if not path.is_file():
        raise UserError(f"{path}: found no file, expected a parquet table")
    try:
        df = pl.read_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, OSError):
        raise UserError(f"{path}: found something else or a damaged file, expected a parquet table") from None
    types = _types(model)
    later = [name for name in LATER if name in types and name not in df.columns]
    df = df.with_columns(pl.lit(None, dtype=types[name]).alias(name) for name in later)
    return _checked(model, df, str(path))


def _types(model: type[_Table]) -> Mapping[str, Any]:
    return {name: column.dtype.type for name, column in model.to_schema().columns.items()}


def _checked(model: type[_Table], df: pl.DataFrame, name: str) -> pl.DataFrame:
    """`df` with its columns in the order of the schema; the first failure in one sentence."""
    try:
        model.validate(df, lazy=True)
    except SchemaErrors as error:
        failure = min(error.failure_cases.rows(named=True), key=_severity)
        raise UserError(f"{name}: {_sentence(model, df, failure)}") from None
    return df.select(list(_types(model)))


def _severity(failure: Mapping[str, Any]) -> tuple[bool, bool]:
    """A missing or mistyped column first: the checks of values fail as its consequence."""
    check = str(failure["check"])
    return not check.startswith("column_in"), not check.startswith("dtype")


_RULES = {
    "greater_than": "more than",
    "greater_than_or_equal_to": "at least",
    "less_than_or_equal_to": "at most",
    "isin": "one of",
    "str_matches": "text like",
}


def _sentence(model: type[_Table], df: pl.DataFrame, failure: Mapping[str, Any]) -> str:
    check, column, value = str(failure["check"]), failure["column"], failure["failure_case"]
    if check == "column_in_dataframe":
        return f"found no column {value!r}, expected one ({model.to_schema().columns[value].description})"
    if check == "column_in_schema":
        return f"found a column {value!r}, expected only those of the {model.__name__} table"
    if check.startswith("dtype"):
        return f"column {column!r}: found type {value}, expected {_types(model)[column]}"
    row = failure["index"]
    where = "" if row is None else f", row {row} (counted from 0)"
    if check == "one place":
        places = " and ".join(repr(name) for name in PLACES if name in df.columns)
        return f"columns {places}{where}: found several or none, expected exactly one of them"
    if check == "not_nullable":
        return f"column {column!r}{where}: found no value or nan, expected a number or text"
    found = value if row is None else df[column][row]
    if check == "finite" or (isinstance(found, float) and not math.isfinite(found)):
        expected = "a finite number"
    else:
        rule, _, bound = check.rstrip(")").partition("(")
        expected = f"{_RULES.get(rule, rule)} {bound}"
    return f"column {column!r}{where}: found {found}, expected {expected}"
