"""What rules that stop without gold are worth: fitted on one half of a table's cells, judged by gold on the other.

A cell is all that tells curves apart but the seed. Which half it is in follows from a hash of that, and from nothing that
was measured: whoever makes a rule looks at the half `design`, and the other says what the rule is worth. A rule has a single
constant a method: it is the one of least regret over the cells of `design`.

Regret is 1 - gold where the rule stops / the highest gold of the same runs, both means over a cell's seeds. The highest of
noisy points is too high, for every rule alike: a rule is to be compared with `end` and `kl`, not with 0.
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float64

from overopt.analysis.method_runs import DIRECT, WORDS, method_of, setting_of
from overopt.analysis.stopping import RULES, Rule, Seen, seen
from overopt.estimators.uncertainty import standard_error

# what tells the curves of two cells apart, where a table has the column
CELL = (
    "world", "method", "policy_params", "rm_params", "pairs", "epochs", "label_noise", "kl_penalty", "ensemble", "setting",
    "rounds", "round",
)  # fmt: skip
LOST = 0.1  # of the highest gold: a rule that stops with less than the rest fails in that cell
RISES = (
    2.0  # standard errors that the highest gold of a run lies above 0 where anything is to be gained at all
)
BY_CELL = {
    "method": pl.String,
    "rule": pl.String,
    "constant": pl.Float64,
    "half": pl.String,
    "cell": pl.String,
    "label": pl.String,
    "rm_params": pl.Int64,
    "pairs": pl.Int64,
    "seeds": pl.Int64,
    "kl": pl.Float64,
    "best_kl": pl.Float64,
    "gold": pl.Float64,
    "best_gold": pl.Float64,
    "early": pl.Float64,
    "regret": pl.Float64,
}


@dataclass(frozen=True)
class Run:
    """One curve in the order in which it was measured: what rules see of it, and what they do not."""

    seen: Seen
    gold: Float64[np.ndarray, " points"]
    best: int  # the point of highest gold
    rises: bool  # whether gold surely rises above the base policy's there


@dataclass(frozen=True)
class Cell:
    """Runs that differ in their seed alone; half: "design" or "held out"; proxy: its parameters and pairs.

    label: what a reader knows it by, beside its proxy; penalised: with a KL penalty.
    """

    name: str
    label: str
    half: str
    penalised: bool
    proxy: tuple[int, int]
    runs: tuple[Run, ...]

    @property
    def rises(self) -> bool:
        """Whether gold surely rises in any run: else there is no highest gold to stop at."""
        return any(run.rises for run in self.runs)

    def known_to(self, rule: Rule) -> bool:
        """Whether every run has what the rule looks at."""
        return all(rule.knows(run.seen) for run in self.runs)


def half_of(cell: str) -> str:
    """Which half a cell belongs to: by the first bit of the SHA-256 of its name.

    >>> [half_of(cell) for cell in ("a", "b", "c", "e")]
    ['held out', 'design', 'design', 'design']
    """
    return "held out" if hashlib.sha256(cell.encode()).digest()[0] >= 128 else "design"


def cells(curves: pl.DataFrame, method: str) -> list[Cell]:
    """The cells of one method, of three points or more, that are no round of RLHF, by their names.

    The first round is the plain run, stopped early: a copy, which might stand in the other half.
    curves: a table of `overopt.analysis.curves`, of one study or of several.
    """
    columns = [name for name in CELL if name in curves.columns]
    plain = curves.filter(pl.col("pairs") > 0, method=method, rounds=1)  # of 0 pairs is gold itself
    found = []
    for values, part in plain.group_by(columns, maintain_order=True):
        # what a study leaves as it is names no cell: a column that comes later moves none to the other half
        named = {name: value for name, value in zip(columns, values, strict=True) if value not in (None, "")}
        name = ", ".join(f"{column} {value}" for column, value in named.items())
        runs = [run for run in part.partition_by("record", maintain_order=True) if run.height > 2]
        if runs:
            first = part.row(0, named=True)
            proxy = int(first["rm_params"]), int(first["pairs"])
            found.append(
                Cell(
                    name, _label(first), half_of(name), first["kl_penalty"] > 0, proxy, tuple(map(_run, runs))
                )
            )
    return sorted(found, key=lambda cell: cell.name)


def _label(row: dict[str, Any]) -> str:
    """The method of a row of the curves table, what is set in it, and how many labels were flipped, in words."""
    flipped = f"{row['label_noise']:.0%} of labels flipped" if row["label_noise"] else ""
    method = replace(method_of(row), kind="", penalised=False)  # the setting says these with their numbers
    return ", ".join(part for part in (method.label, setting_of(row), flipped) if part)


def _run(curve: pl.DataFrame) -> Run:
    curve = curve.sort(pl.coalesce("n", "step"))
    gold = curve["gold"].to_numpy()
    best = int(gold.argmax())
    told = seen(curve)
    if curve["method"][0] in DIRECT:  # its proxy is the policy itself: on another scale at each point
        del told["proxy"]
    return Run(told, gold, best, bool(gold[best] > RISES * (curve["gold_se"][best] or 0.0)))


def regret(rule: Rule, constant: float, cell: Cell) -> dict[str, float]:
    """Means over a cell's runs: `kl, best_kl` (nats), `gold, best_gold` (base-policy SDs), `early` (share of runs that it
    stops before their last point) and `regret`, nan where gold does not surely rise."""
    rows = []
    for run in cell.runs:
        kl, at = run.seen["kl"], rule.stop(run.seen, constant)
        rows.append((kl[at], kl[run.best], run.gold[at], run.gold[run.best], at < len(kl) - 1))
    means = np.array(rows, dtype=float).mean(axis=0).tolist()
    found = dict(zip(("kl", "best_kl", "gold", "best_gold", "early"), means, strict=True))
    known = cell.rises and found["best_gold"] > 0
    return found | {"regret": 1 - found["gold"] / found["best_gold"] if known else math.nan}


def fitted(rule: Rule, design: list[Cell]) -> float | None:
    """The constant of least mean regret over these cells, the middle one of several; None where none tells anything."""
    telling = [cell for cell in design if cell.rises and cell.known_to(rule)]
    if not telling:
        return None
    each = np.array([np.mean([regret(rule, c, cell)["regret"] for cell in telling]) for c in rule.tries])
    best = np.flatnonzero(each <= each.min() + 1e-12)
    return rule.tries[int(best[len(best) // 2])]


def by_cell(curves: pl.DataFrame) -> pl.DataFrame:
    """Every rule in every cell of the table, the cells that it fails in first: the columns `BY_CELL`.

    method: as the table has it; runs with a KL penalty, which holds KL where others go on, are a method of their own.
    half: where the cell is; constant: fitted in the half `design`, whichever half the row is of. A rule that looks at what
    the table lacks has no row; a cell whose gold does not rise has one without `regret`.
    """
    rows = list(_rows(curves))
    return pl.DataFrame(rows, schema=BY_CELL).sort("regret", descending=True, nulls_last=True)


def _rows(curves: pl.DataFrame) -> Iterator[dict[str, Any]]:
    for method in curves.filter(pl.col("method") != "tilt")["method"].unique().sort():
        of_method = cells(curves, method)
        for penalised in (False, True):
            found = [cell for cell in of_method if cell.penalised == penalised]
            named = f"{WORDS[method]}, KL penalty" if penalised and method not in DIRECT else method
            for rule in RULES.values():
                constant = fitted(rule, [cell for cell in found if cell.half == "design"])
                if constant is not None:
                    yield from (_row(named, rule, constant, cell) for cell in found if cell.known_to(rule))


def _row(method: str, rule: Rule, constant: float, cell: Cell) -> dict[str, Any]:
    measured = regret(rule, constant, cell)
    lost = measured.pop("regret")
    return {
        "method": method,
        "rule": rule.name,
        "constant": constant,
        "half": cell.half,
        "cell": cell.name,
        "label": cell.label,
        "rm_params": cell.proxy[0],
        "pairs": cell.proxy[1],
        "seeds": len(cell.runs),
        **measured,
        "regret": None if math.isnan(lost) else lost,
    }


def failures(judged: pl.DataFrame) -> pl.DataFrame:
    """The held-out rows of `by_cell` in which a rule loses more than `LOST` of the highest gold, the worst first.

    `says`: the rule in words.
    """
    return _in_words(judged.filter(pl.col("regret") > LOST, half="held out"))


def of_nearest(judged: pl.DataFrame, rules: pl.DataFrame) -> pl.DataFrame:
    """The rows of `by_cell` of each method's first rule in `by_rule`, that of least regret: one a cell."""
    nearest = rules.group_by("method", maintain_order=True).first().select("method", "rule")
    return judged.join(nearest, on=["method", "rule"], how="semi", maintain_order="left")


def by_rule(judged: pl.DataFrame) -> pl.DataFrame:
    """What each rule is worth in held-out cells, from `by_cell`; of each method the rule of least regret first.

    Columns: `method, rule, says, cells, flat, early, regret, regret_se, within, worst`; `flat`: cells besides where gold
    does not surely rise, so that there is nothing to lose; `early`: share of the runs in the others that the rule stops
    before their end, mean over cells; the standard error is over cells; `within`: share of the cells in which at most `LOST`
    of the highest gold is lost; `worst`: the largest regret.
    """
    rows = []
    held_out = _in_words(judged.filter(half="held out"))
    for (method, rule, says), part in held_out.group_by("method", "rule", "says"):
        lost = part["regret"].drop_nulls().to_numpy()
        if not len(lost):
            continue
        rows.append(
            {
                "method": method,
                "rule": rule,
                "says": says,
                "cells": len(lost),
                "flat": part.height - len(lost),
                "early": part.drop_nulls("regret")["early"].mean(),
                "regret": float(lost.mean()),
                "regret_se": float(standard_error(lost)),
                "within": float((lost <= LOST).mean()),
                "worst": float(lost.max()),
            }
        )
    kinds = [pl.String] * 3 + [pl.Int64] * 2 + [pl.Float64] * 5
    names = ("method", "rule", "says", "cells", "flat", "early", "regret", "regret_se", "within", "worst")
    return pl.DataFrame(rows, schema=dict(zip(names, kinds, strict=True))).sort(
        pl.col("method").str.to_lowercase(), "regret", "rule"
    )


def _in_words(judged: pl.DataFrame) -> pl.DataFrame:
    """Rows of `by_cell`, and `says`: the rule with its constant."""
    said = [
        RULES[rule].says.format(f"{constant:g}")
        for rule, constant in judged.select("rule", "constant").rows()
    ]
    return judged.with_columns(says=pl.Series(said, dtype=pl.String))
