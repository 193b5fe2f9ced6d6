"""Best-of-n and PPO beside the tilted policy, the best that any policy could do, and what a nat buys with each."""

import math

import numpy as np
import polars as pl

from overopt.analysis.averages import NAMES
from overopt.analysis.evidence import Evidence

ENOUGH = 30  # effective samples a prompt below which a tilted policy is not shown
WAYS = {"tilt": "frontier"} | NAMES
LEVELS = (0.5, 1.0, 2.0, 3.0)  # KL (nats) of the table
SCORES = ("gold", "gold_se", "proxy", "proxy_se")


def tilted(e: Evidence, *, pairs: int) -> pl.DataFrame:
    """Points of the tilted policy with enough effective samples, mean over seeds: `rm_params, kl` and scores."""
    own = e.curves.filter(method="tilt", policy_params=e.policy_params, kl_penalty=0.0, rounds=1)
    rows = own.filter(pl.col("ess") >= ENOUGH, pairs=pairs, epochs=1 if pairs else 0)
    # the KL of every seed is that of best-of-n at the same n; a mean over fewer seeds would be of other proxies
    means = rows.group_by("rm_params", pl.col("kl").round(4)).agg(pl.col(*SCORES).mean(), seeds=pl.len())
    whole = pl.col("seeds") == pl.col("seeds").max().over("rm_params")
    return means.filter(whole).drop("seeds").sort("rm_params", "kl")


def curves(e: Evidence, score: str) -> pl.DataFrame:
    """All three, by proxy size, within the KL that the frontier is known for: `rm_params, kl, <score>, what`."""
    tilt = tilted(e, pairs=e.pairs)
    reach = tilt.group_by("rm_params").agg(reach=pl.col("kl").max())
    others = e.sizes.mean.join(reach, on="rm_params").filter(pl.col("kl") <= pl.col("reach") * 1.05)
    start = (
        tilt.select("rm_params").unique().with_columns(kl=pl.lit(0.0), gold=pl.lit(0.0), proxy=pl.lit(0.0))
    )
    own = pl.concat([start, tilt.select(start.columns)]).select(
        "rm_params", "kl", score, what=pl.lit(WAYS["tilt"])
    )
    rest = [
        others.filter(method=method).select("rm_params", "kl", score, what=pl.lit(WAYS[method]))
        for method in NAMES
    ]
    return pl.concat([own, *rest])


def _at(part: pl.DataFrame, kl: float, score: str) -> float:
    """A curve's score at `kl`, interpolated in sqrt(KL); nan where it is not covered."""
    if part.is_empty() or not float(part["kl"].min()) <= kl <= float(part["kl"].max()):  # type: ignore[arg-type]
        return math.nan
    return float(np.interp(math.sqrt(kl), part["kl"].sqrt(), part[score]))


def table(e: Evidence) -> pl.DataFrame:
    """Proxy score and gold of all three at equal KL, and the frontier of gold itself as `perfect`."""
    tilt, best, rows = tilted(e, pairs=e.pairs), tilted(e, pairs=0), []
    for size in e.sizes.by.values(e.sizes.curves):
        parts = {m: e.sizes.of(m).filter(rm_params=size) for m in NAMES} | {
            "tilt": tilt.filter(rm_params=size)
        }
        for kl in LEVELS:
            row = {f"{s}_{m}": _at(part, kl, s) for m, part in parts.items() for s in ("proxy", "gold")}
            if not math.isnan(row["proxy_tilt"]):
                rows.append({"rm_params": size, "kl": kl} | row | {"perfect": _at(best, kl, "gold")})
    return pl.DataFrame(rows)


def kl_needed(e: Evidence, score: str) -> pl.DataFrame:
    """KL at which best-of-n and PPO first reach a level of `score`: `rm_params, kl, <score>, what`."""
    parts = []
    for (method, _size), curve in e.sizes.mean.group_by("method", "rm_params", maintain_order=True):
        first = curve.filter(pl.col(score) > pl.col(score).cum_max().shift(1, fill_value=0.0))
        parts.append(first.select("rm_params", "kl", score, what=pl.lit(WAYS[str(method)])))
    return pl.concat(parts)
