"""Which method helps against overoptimisation, by how much, at which KL and at what cost: tables for a figure and a page.

Every number on gold is held out: see `overopt.analysis.held_out`. Curves that are drawn are those of the setting best on all
seeds, which nothing is judged by.
"""

import math
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float64

from overopt.analysis.held_out import HeldOut, best_on_all, drawn, held_out, paired
from overopt.analysis.method_runs import DIRECT, Method, MethodRuns, Variant
from overopt.analysis.resampled import interval, resampled
from overopt.analysis.results import Results

AT = 10.0  # nats at which methods are compared
OVER = ("ppo", "bon")  # plain methods that the others are compared with
# kinds of stages that runs of a method are, as a study's costs name them; the first that there is
KINDS = {"bon": ("best_of_n",), "ppo": ("ppo",), "rloo": ("rloo", "ppo"), "grpo": ("grpo", "ppo")}
KINDS |= {"soft_bon": ("selection",), "bop": ("selection",), "rft": ("rejection",)}
KINDS |= dict.fromkeys(DIRECT, ("direct",))


def table(runs: MethodRuns, results: Results) -> pl.DataFrame:
    """One row a method and share of flipped labels, the highest gold first.

    Columns: `method, label_noise, setting` (that most seeds chose), `seeds`; the highest `gold` (SDs), `kl` there and
    `at_ten`: gold at `AT` nats; `gamma`: see `gamma`; `over_ppo, over_bon`: gold less that of the plain method against the
    same proxies, as `held_out.paired` has it; of each but the first four also `_low, _high`, its 95% interval; `minutes` a
    run. What is not known is null.
    """
    rows = []
    for noise in runs.noises():
        plain = {name: held_out(runs.plain(name, noise)) for name in OVER}
        for method in runs.methods(noise):
            variants = runs.of(lambda other, method=method: other == method, noise)  # type: ignore[misc]
            found, best = held_out(variants), best_on_all(variants)
            if found is None or best is None:
                continue
            row: dict[str, Any] = {"method": method.label, "label_noise": noise, "seeds": len(found.seeds)}
            row["setting"] = max(found.settings, key=lambda name: found.settings[name])
            row |= _with_ends("gold", found.gold) | _with_ends("kl", found.kl)
            row |= _with_ends("at_ten", found.at_kl(AT)) | _gamma_ends(best, runs.by_prompt)
            for name, other in plain.items():
                row |= _with_ends(f"over_{name}", _apart(method, found, name, other))
            rows.append(row | {"minutes": minutes_a_run(results, method.method)})
    if not rows:
        return pl.DataFrame()
    return pl.DataFrame(rows).fill_nan(None).sort("label_noise", "gold", descending=[False, True])


def curves(runs: MethodRuns, label_noise: float = 0.0) -> pl.DataFrame:
    """The mean curve of every method at the setting that is best on all seeds, with a 95% interval at each point.

    Columns: `method, family, plain, setting, place` (its order), `kl` (nats), `gold, low, high` (base-policy SDs); `plain`:
    one of the methods that others are compared with.
    """
    parts = []
    for method in runs.methods(label_noise):
        best = best_on_all(runs.of(lambda other, method=method: other == method, label_noise))  # type: ignore[misc]
        if best is None:
            continue
        curve = resampled(best.rows, runs.by_prompt, by_step=best.by_step)
        known = np.isfinite(curve.draws).all()
        low, high = np.quantile(curve.draws, [0.025, 0.975], axis=0) if known else (curve.mean, curve.mean)
        points = pl.DataFrame({"kl": curve.kl, "gold": curve.mean, "low": low, "high": high})
        named: dict[str, Any] = {"method": method.label, "family": method.family, "setting": best.setting}
        named |= {"plain": method.plain and method.method in OVER}
        parts.append(points.with_row_index("place").with_columns(**{k: pl.lit(v) for k, v in named.items()}))
    return pl.concat(parts) if parts else pl.DataFrame()


def gamma(
    d: Float64[np.ndarray, " grid"],
    gold: Float64[np.ndarray, "*draws grid"],
    proxy: Float64[np.ndarray, "*draws grid"],
) -> Float64[np.ndarray, "*draws"]:
    """How far the proxy's score leaves gold: integral of |gold - proxy| over integral of gold, both along d = sqrt(KL).

    0 where they agree. One number for a curve, after arXiv:2505.12763; along d, the axis of our figures, is our choice.

    >>> d = np.linspace(0, 2, 5)
    >>> float(gamma(d, d, 3 * d))
    2.0
    """
    return np.asarray(np.trapezoid(np.abs(gold - proxy), d) / np.trapezoid(gold, d))


def minutes_a_run(results: Results, method: str) -> float | None:
    """Mean minutes of a run of the kind of stage that a method is, over all of the study's; None where none is known.

    What proxies and samples cost is left out, and runs of one kind with other settings are in the same mean.
    """
    costs, policy = results.record.get("costs", {}), results.study.models[results.study.policy].parameters
    kinds = {name: next((k for k in of if k in costs), None) for name, of in KINDS.items()}
    kind = kinds[method]
    if kind is None:
        return None
    alike = [name for name, other in kinds.items() if other == kind]
    ours = results.curves.filter(pl.col("method").is_in(alike), pl.col("pairs") > 0)
    if kind == "best_of_n":  # of other policies it is another kind of stage
        ours = ours.filter(policy_params=policy)
    count = ours["record"].n_unique()
    return float(costs[kind]["seconds"]) / 60 / count if count else None


def _apart(method: Method, found: HeldOut, name: str, other: HeldOut | None) -> np.ndarray | None:
    """Gold of a method less that of a plain one; None where that is itself, or was not run."""
    if other is None or (method.plain and method.method == name):
        return None
    return paired(found, other)


def _with_ends(name: str, values: np.ndarray | None) -> dict[str, float]:
    """The mean of values by seed and prompt with its interval; nan where one is."""
    if values is None or not np.isfinite(values).all():
        return {name: math.nan, f"{name}_low": math.nan, f"{name}_high": math.nan}
    mean, draws = drawn(values)
    low, high = interval(draws)
    return {name: mean, f"{name}_low": low, f"{name}_high": high}


def _gamma_ends(variant: Variant, by_prompt: pl.DataFrame) -> dict[str, float]:
    """Gamma of one setting with its interval; nan in direct alignment, whose proxy has another scale at each point, and
    where gold along the way is not surely above 0."""
    unknown = dict.fromkeys(("gamma", "gamma_low", "gamma_high"), math.nan)
    if variant.method.method in DIRECT:
        return unknown
    gold, proxy = (resampled(variant.rows, by_prompt, score) for score in ("gold", "proxy"))
    d = np.sqrt(gold.kl)
    if len(d) < 2 or not interval(np.trapezoid(gold.draws, d))[0] > 0:
        return unknown
    low, high = interval(gamma(d, gold.draws, proxy.draws))
    return {"gamma": float(gamma(d, gold.mean, proxy.mean)), "gamma_low": low, "gamma_high": high}
