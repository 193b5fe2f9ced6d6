"""The laws' coefficients that others found, from `laws_elsewhere.yaml`, where each source says how far to trust it."""

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from overopt.estimators.laws import LAWS

FILE = Path(__file__).with_suffix(".yaml")
PAPER, REPRO = "paper", "replication"
SCHEMA = {
    "source": pl.String,
    "method": pl.String,
    "rm_params": pl.Int64,
    "pairs": pl.Int64,
    "alpha": pl.Float64,
    "beta": pl.Float64,
}
LINE = {"source": pl.String, "rm_params": pl.Int64, "assumed": pl.Boolean} | dict.fromkeys(
    ("kl", "gold"), pl.Float64
)
_POINTS = 64


@dataclass(frozen=True)
class Source:
    """Who measured, on what (`says`), how the numbers came here (`provenance`), and the parameters of gold."""

    name: str
    says: str
    provenance: str
    gold_params: int


@cache
def _entries() -> tuple[dict[str, Any], ...]:
    return tuple(yaml.safe_load(FILE.read_text(encoding="utf-8")))


def sources() -> tuple[Source, ...]:
    """Every source of `table`, in its order.

    >>> [source.name for source in sources()]
    ['paper', 'replication']
    """
    return tuple(
        Source(entry["source"], entry["says"], entry["provenance"].strip(), entry["gold_params"])
        for entry in _entries()
    )


def table() -> pl.DataFrame:
    """One row a law: `source, method, rm_params, pairs, alpha, beta`; a coefficient that nobody knows is null.

    Gold is in SDs of the initial policy's samples, KL in nats.

    >>> table().filter(method="ppo")["beta"].to_list()
    [0.175, 0.118]
    """
    rows = [{"source": entry["source"]} | law for entry in _entries() for law in entry["laws"]]
    return pl.DataFrame(rows, schema=SCHEMA).sort("method", maintain_order=True)


def paper(method: str) -> pl.DataFrame:
    """The rows of `table` that are the paper's, of one method, the smallest proxy first.

    >>> paper("bon")["rm_params"].to_list()
    [3000000, 3000000000]
    """
    return table().filter(source=PAPER, method=method).sort("rm_params")


def paper_ends(method: str, coefficient: str) -> tuple[float, float]:
    """A coefficient of the paper for its smallest and its largest proxy.

    >>> paper_ends("bon", "alpha")
    (0.49, 0.66)
    """
    found = paper(method)[coefficient]
    return float(found[0]), float(found[-1])


def of_pairs(pairs: int) -> tuple[float, float]:
    """Alpha and beta of best-of-n with so many pairs, in the replication that varied them.

    >>> of_pairs(500)
    (0.386, 0.136)
    """
    row = table().filter(source=REPRO, pairs=pairs).row(0, named=True)
    return row["alpha"], row["beta"]


def assumed_alpha_rl() -> float:
    """Alpha of RL, which nobody read off: the one by which the smallest proxy reaches by RL what it reaches by best-of-n.

    >>> round(assumed_alpha_rl(), 3)
    0.359
    """
    alpha, beta, rl = (
        paper_ends(*which)[0] for which in (("bon", "alpha"), ("bon", "beta"), ("ppo", "beta"))
    )
    height = LAWS["bon"].peak(alpha, beta)[1]
    return rl * (1 + math.log(height / rl))  # the height of the RL law is beta exp(alpha / beta - 1)


def paper_lines(method: str, largest_kl: float) -> pl.DataFrame:
    """The paper's laws of one method, bon or ppo, up to `largest_kl` (nats), for its smallest and its largest proxy.

    Columns: `source, rm_params, assumed, kl, gold` (nats, SDs); `assumed` where alpha is that of `assumed_alpha_rl`.
    """
    law = LAWS["bon" if method == "bon" else "rl"]
    kl = np.linspace(0, math.sqrt(largest_kl), _POINTS) ** 2
    parts = [pl.DataFrame(schema=LINE)]
    for row in paper(method).iter_rows(named=True):
        assumed = row["alpha"] is None
        gold = law.gold(kl, assumed_alpha_rl() if assumed else row["alpha"], row["beta"])
        which = {"source": PAPER, "rm_params": row["rm_params"], "assumed": assumed}
        parts.append(
            pl.DataFrame({"kl": kl, "gold": gold})
            .with_columns(**{name: pl.lit(value) for name, value in which.items()})
            .select(pl.col(name).cast(kind) for name, kind in LINE.items())
        )
    return pl.concat(parts)
