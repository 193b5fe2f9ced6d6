"""Tables that single figures need, cut from the evidence of a study: one function a figure."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import polars as pl

from overopt.analysis import averages, fitted_laws
from overopt.analysis.evidence import Evidence
from overopt.analysis.fitted_laws import LAW_OF
from overopt.analysis.frontier import SCORES
from overopt.analysis.predictions import largest_kl, line_of, near_side
from overopt.estimators.laws import fit
from overopt.estimators.rival_forms import fitted_until
from overopt.estimators.uncertainty import at_least_usual, standard_error

LINE = {"rm_params": pl.Int64, "kl": pl.Float64, "gold": pl.Float64}


def tops(e: Evidence) -> pl.DataFrame:
    """Highest gold of best-of-n within the measured KL: `rm_params, gold, gold_se, what` (paper: Fig. 12)."""
    measured = e.sizes.peaks("bon").select("rm_params", "gold", "gold_se", what=pl.lit("measured"))
    law = e.sizes.law_lines("bon").group_by("rm_params").agg(pl.col("gold").max())
    none = pl.lit(None, dtype=pl.Float64)
    law = law.select("rm_params", "gold", gold_se=none, what=pl.lit("by the law"))
    return pl.concat([measured, law]).sort("what", "rm_params")


def proxy_lines(e: Evidence) -> pl.DataFrame:
    """Proxy score of best-of-n, and its best straight line in d: `rm_params, kl, proxy, what` (paper: Fig. 20)."""
    rows = []
    for (size,), curve in e.sizes.of("bon").group_by("rm_params", maintain_order=True):
        d, proxy = np.sqrt(curve["kl"].to_numpy()), curve["proxy"].to_numpy()
        slope = float(d @ proxy / (d @ d))
        for what, values in {"measured": proxy, "straight line in d": slope * d}.items():
            columns = {"rm_params": [size] * len(d), "kl": d**2, "proxy": values, "what": [what] * len(d)}
            rows.append(pl.DataFrame(columns))
    return pl.concat(rows)


def far_means(e: Evidence) -> pl.DataFrame:
    """Far best-of-n of the proxies with the main number of pairs, as `averages.averaged` (paper: Fig. 26a)."""
    return e.far.mean if e.far else pl.DataFrame()


def far_law_lines(e: Evidence) -> pl.DataFrame:
    """The law fitted to the near part of each curve of `far_means`, over all of it: `rm_params, kl, gold`."""
    lines = [pl.DataFrame(schema=LINE)]
    for (size,), curve in far_means(e).group_by("rm_params", maintain_order=True):
        kl, gold, se = averages.points(curve)
        near = near_side(kl, largest_kl(e))
        law = fit(kl[near], gold[near], law=LAW_OF["bon"], gold_se=at_least_usual(se[near]))
        lines.append(_line(int(size), kl, law.predict))
    return pl.concat(lines)


def early_law_lines(e: Evidence) -> pl.DataFrame:
    """The PPO law fitted to the start of each curve, over all of it: `rm_params, kl, gold` (paper: Fig. 26b)."""
    lines = [pl.DataFrame(schema=LINE)]
    for (size,), curve in e.sizes.of("ppo").group_by("rm_params", maintain_order=True):
        kl, gold, se = averages.points(curve)
        predict = fitted_until(LAW_OF["ppo"], kl, gold, se, line_of(kl))
        if predict:
            lines.append(_line(int(size), kl, predict))
    return pl.concat(lines)


def _line(size: int, kl: np.ndarray, predict: Callable[[np.ndarray], np.ndarray]) -> pl.DataFrame:
    grid = np.linspace(0, math.sqrt(kl.max()), 64)[1:] ** 2
    return pl.DataFrame({"rm_params": [size] * len(grid), "kl": grid, "gold": predict(grid)}, schema=LINE)


def ppo_line(e: Evidence) -> float:
    """KL (nats) up to which PPO laws are fitted, median over sizes."""
    ends = e.sizes.of("ppo").group_by("rm_params").agg(pl.col("kl").max())["kl"]
    return float(np.median([line_of(np.array([end])) for end in ends]))


def coefficients_by_pairs(e: Evidence) -> pl.DataFrame:
    """Mean of alpha and beta of best-of-n over proxy sizes, by pairs (paper: Figs 17 and 18).

    Columns: `pairs, alpha, alpha_se, beta, beta_se, what`; sizes and pairs that every size was measured with.
    """
    bon = e.plain.filter(method="bon")
    sizes = bon["rm_params"].n_unique()
    rows = []
    for (pairs,), part in bon.group_by("pairs", maintain_order=True):
        if part["rm_params"].n_unique() < sizes:
            continue
        fits = fitted_laws.fitted(part, e.results.by_prompt, draws=20)
        row: dict[str, object] = {"pairs": pairs, "what": "mean over proxy sizes"}
        for name in ("alpha", "beta"):
            values = np.array([getattr(law.fit, name) for law in fits.values()])
            row |= {name: values.mean(), f"{name}_se": float(standard_error(values))}
        rows.append(row)
    return pl.DataFrame(rows).sort("pairs")


def rezeroed(e: Evidence) -> pl.DataFrame:
    """PPO of every policy against one proxy (`policies_by_ppo`), scores minus those of its start (paper: Figs 23, 24).

    Columns: `policy_params, kl, gold, gold_se, gap, gap_se`: `gap` is proxy minus gold. No row without several policies.
    """
    policies = e.policies_by_ppo(0)
    if not policies.has("ppo"):
        return pl.DataFrame()
    first = [pl.col(name) - pl.col(name).first().over("policy_params") for name in ("gold", "proxy")]
    part = policies.of("ppo").with_columns(first)
    gap_se = (pl.col("gold_se") ** 2 + pl.col("proxy_se") ** 2).sqrt()
    return part.with_columns(gap=pl.col("proxy") - pl.col("gold"), gap_se=gap_se)


NEAR = 0.8  # of the KL that a run ends at


def penalty_ends(e: Evidence) -> pl.DataFrame:
    """The last point of each penalised run; in `_free` columns the run without a penalty at the same KL, in `_first` columns
    the penalised run when it first came near that KL."""
    rows = []
    for proxy in e.penalty_proxies:
        mean = e.penalties(proxy).of("ppo")
        free = mean.filter(kl_penalty=0.0)
        for (penalty,), run in mean.filter(pl.col("kl_penalty") > 0).group_by(
            "kl_penalty", maintain_order=True
        ):
            end = run.row(-1, named=True)
            at = {
                f"{name}_free": float(np.interp(math.sqrt(end["kl"]), free["kl"].sqrt(), free[name]))
                for name in SCORES
            }
            came = run.filter(pl.col("kl") >= NEAR * end["kl"]).row(0, named=True)
            first = {f"{name}_first": came[name] for name in SCORES}
            kept = {name: end[name] for name in ("kl", *SCORES)}
            rows.append({"rm_params": proxy, "kl_penalty": penalty} | kept | first | at)
    return pl.DataFrame(rows)


def halves(e: Evidence, method: str) -> pl.DataFrame:
    """Gold and its rating half along the first seed's curves of one method: `rm_params, kl, place, score, what`.

    No row where gold has no gate.
    """
    judged = {"gold": "gold", "rating": "its rating alone"}
    return _views(e, method, judged, "score")


def strictness(e: Evidence, method: str) -> pl.DataFrame:
    """Gold, and gold with gates half and twice as strict, as `halves`."""
    judged = {"gold": "gold", "gold_lenient": "half as strict", "gold_strict": "twice as strict"}
    return _views(e, method, judged, "score")


def lengths(e: Evidence, method: str) -> pl.DataFrame:
    """Tokens of a completion along the curves of one method, as `halves`: `rm_params, kl, length`."""
    return _views(e, method, {"length": "length"}, "length")


def _views(e: Evidence, method: str, judged: Mapping[str, str], name: str) -> pl.DataFrame:
    """Columns of the curves of the first seed, in words: `rm_params, kl, place, <name>, what`."""
    runs = e.plain.filter(method=method, pairs=e.pairs, seed=0).with_columns(place=pl.coalesce("n", "step"))
    known = runs.drop_nulls(list(judged)).sort("rm_params", "place")
    parts = [
        known.select("rm_params", "kl", "place", pl.col(column).alias(name), what=pl.lit(word))
        for column, word in judged.items()
    ]
    return pl.concat(parts)


def second_gold(e: Evidence, method: str) -> pl.DataFrame:
    """Gold and second gold of one method, mean over seeds: `rm_params, kl, score, what`; no row where none judged it."""
    if e.sizes_by_second is None or not e.sizes_by_second.has(method, 1):
        return pl.DataFrame()
    judged = {"gold": e.sizes, "second gold": e.sizes_by_second}
    parts = [
        part.of(method).select("rm_params", "kl", score="gold", what=pl.lit(what))
        for what, part in judged.items()
    ]
    return pl.concat(parts).sort("rm_params", "what", "kl")
