"""The law of each curve, fitted to all its seeds: coefficients with intervals, and lines to draw."""

from __future__ import annotations

import math
from typing import Any, get_args

import numpy as np
import polars as pl

from overopt.analysis.curves import prompt_curve
from overopt.analysis.groups import SIZES, Group
from overopt.analysis.leading import held_back, leading
from overopt.estimators.bootstrap import Bootstrap, bootstrap, even_grid, not_drawn
from overopt.estimators.laws import LAWS, fit
from overopt.study.direct_parts import DirectLoss
from overopt.util.seeds import derive

# the law that the paper has for a method
LAW_OF = {"bon": LAWS["bon"], "ppo": LAWS["rl"], "rloo": LAWS["rl"], "grpo": LAWS["rl"]}
# what chooses among samples of the base policy has that of best-of-n, what trains a policy that of RL
LAW_OF |= {"soft_bon": LAWS["bon"], "bop": LAWS["bon"], "rft": LAWS["rl"]}
# direct alignment has that of RL (Rafailov et al. 2024, section 4)
LAW_OF |= dict.fromkeys(get_args(DirectLoss), LAWS["rl"])

Fits = dict[tuple[str, Any], Bootstrap]  # by method, and the value that the curves of a figure differ in


def fitted(curves: pl.DataFrame, by_prompt: pl.DataFrame, by: Group = SIZES, *, draws: int = 1000) -> Fits:
    """The law of each method and group, fitted to all seeds; intervals are over prompts and seeds.

    The points are those that curves are drawn and averaged from: see `leading`.
    """
    fits: Fits = {}
    for (method, value), part in curves.group_by("method", by.column, maintain_order=True):
        every, records = held_back(part), part["record"].unique(maintain_order=True)
        runs = [prompt_points(by_prompt, record, every=every) for record in records]
        law, (kl, gold) = LAW_OF[str(method)], runs[0]
        if len(runs) == gold.shape[1] == 1:  # neither seeds nor prompts to draw from
            fits[str(method), value] = not_drawn(fit(kl, gold[:, 0], law=law), even_grid(kl))
            continue
        rng = np.random.default_rng(derive(0, "bootstrap", str(method), by.label(value)))
        fits[str(method), value] = bootstrap(runs, law, rng=rng, draws=draws)
    return fits


def prompt_points(
    by_prompt: pl.DataFrame, record: str, *, every: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """KL and gold of one curve by prompt, as `bootstrap` takes them: of the points that lead on, or of `every` one."""
    points = prompt_curve(by_prompt, record)
    points = points if every else leading(points)
    # The KL of best-of-n is known, and the same for every prompt.
    same = (points["kl"] == points["kl"][:, :1]).all()
    return (points["kl"][:, 0] if same else points["kl"]), points["gold"]


def law_lines(fits: Fits, method: str, by: Group = SIZES) -> pl.DataFrame:
    """The fitted laws of one method on a grid over the measured KL: the column of `by`, `kl, gold`."""
    lines = []
    for (name, value), law in fits.items():
        if name != method or math.isnan(law.fit.alpha):
            continue
        line = pl.DataFrame({"kl": law.grid_kl, "gold": law.fit.predict(law.grid_kl)})
        lines.append(line.select(pl.lit(value, dtype=_type(value)).alias(by.column), pl.all()))
    if lines:
        return pl.concat(lines)
    return pl.DataFrame(schema={by.column: pl.Int64, "kl": pl.Float64, "gold": pl.Float64})


def _type(value: Any) -> Any:
    return pl.Int64 if isinstance(value, int) else pl.Float64


def coefficient_table(fits: Fits, method: str, by: Group = SIZES) -> pl.DataFrame:
    """One row a group: alpha, beta, peak_kl, peak_gold with `_low` and `_high`, status, turns_down."""
    rows = []
    for (name, value), law in sorted(fits.items()):
        if name == method:
            row: dict[str, object] = {by.column: value}
            for field in ("alpha", "beta", "peak_kl", "peak_gold"):
                row[field] = getattr(law.fit, field)
                row[f"{field}_low"], row[f"{field}_high"] = getattr(law, field)
            rows.append({**row, "status": law.fit.status, "turns_down": law.turns_down})
    return pl.DataFrame(rows)
