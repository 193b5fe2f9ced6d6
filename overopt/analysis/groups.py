"""What the curves of a study differ in: proxy size, pairs, policy, KL penalty, rounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl

from overopt.util.words import short_number


@dataclass(frozen=True)
class Group:
    """What the curves of a figure differ in: a column of the table, its title, words for a value, and whether values are
    `ordered`, as sizes are and kinds are not."""

    column: str
    title: str
    label: Callable[[Any], str] = short_number
    ordered: bool = True

    def values(self, table: pl.DataFrame) -> list[Any]:
        """The values in `table`, in order."""
        return sorted(table[self.column].unique().to_list())

    def labels(self) -> pl.Expr:
        """The column `group`: a word for each row's value."""
        words = lambda column: pl.Series([self.label(value) for value in column], dtype=pl.String)  # noqa: E731
        return pl.col(self.column).map_batches(words, return_dtype=pl.String).alias("group")


SIZES = Group("rm_params", "Proxy parameters")
PAIRS = Group("pairs", "Training pairs")
POLICIES = Group("policy_params", "Policy parameters")
PENALTIES = Group("kl_penalty", "KL penalty (SDs a nat)", "{:g}".format)
TURNED = Group("label_noise", "Labels flipped", "{:.0%}".format)
ROUNDS = Group("rounds", "Rounds", "{:d}".format)
