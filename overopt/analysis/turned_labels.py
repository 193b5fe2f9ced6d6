"""Best-of-n against proxies trained on labels that were partly turned, beside the same proxies on labels as gold gave them.

Coste et al. 2023 (arXiv 2310.02743) turn a quarter of the labels, and see best-of-n rise and fall.
"""

import polars as pl

from overopt.analysis.evidence import Evidence, Slice
from overopt.analysis.groups import TURNED
from overopt.analysis.misfits import falls

CELL = ("rm_params", "pairs")  # what proxies share that are set beside each other


def turned(evidence: Evidence) -> pl.DataFrame:
    """Curves of best-of-n in the cells (proxy size, pairs) that have turned labels, those without among them."""
    bon = evidence.plain_but("label_noise").filter(method="bon")
    cells = bon.filter(pl.col("label_noise") > 0).select(CELL).unique()
    return bon.join(cells, on=CELL, how="semi")


def of_largest(evidence: Evidence) -> Slice | None:
    """Shares of turned labels for the largest proxy that has them at the main number of pairs; None where none has."""
    curves = turned(evidence).filter(pairs=evidence.pairs)
    if curves.is_empty():
        return None
    return evidence.slice(TURNED, curves.filter(rm_params=curves["rm_params"].max()))


def peaks(evidence: Evidence) -> pl.DataFrame:
    """Where gold of best-of-n is highest and ends, a row a cell and share of turned labels; means over seeds.

    Columns: `rm_params, pairs, label_noise, accuracy` (on held-out pairs as gold labels them), those of
    `averages.measured_peaks`, and `falls` as claims count it: at some point gold surely lies above where it ends.
    """
    rows = []
    for cell, curves in turned(evidence).group_by(CELL, maintain_order=True):
        shares = evidence.slice(TURNED, curves)
        accuracy = curves.unique("record").group_by("label_noise").agg(accuracy=pl.col("rm_accuracy").mean())
        surely = [falls(shares.drawn("bon", share)) for share in shares.values("bon")]
        named = {name: pl.lit(value) for name, value in zip(CELL, cell, strict=True)}
        found = shares.peaks("bon").with_columns(falls=pl.Series(surely), **named)
        rows.append(found.join(accuracy, on="label_noise"))
    return pl.concat(rows).sort(*CELL, "label_noise") if rows else pl.DataFrame()
