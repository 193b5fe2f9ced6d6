"""A reader's own curves: from a file (scores, curves, judged policies) to points and a fitted law with its intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from jaxtyping import Float64

from overopt.estimators.best_of_n import best_of_n_ragged, powers_of_two
from overopt.estimators.bootstrap import Bootstrap, bootstrap, drawn_from_fit, even_grid, not_drawn
from overopt.estimators.curve_files import Curves
from overopt.estimators.laws import Law, fit, law_named
from overopt.estimators.score_files import Scores
from overopt.estimators.tables import read_scores_or_curves
from overopt.estimators.uncertainty import standard_error
from overopt.util.errors import UserError
from overopt.util.seeds import derive
from overopt.util.table_files import optional_numbers

Kind = Literal["scores", "curves", "policies"]
Vector = Float64[np.ndarray, " points"]

COLUMNS = ("kl", "gold", "gold_se", "proxy", "proxy_se", "below_top", "below_top_se")


@dataclass(frozen=True)
class Samples:
    """What is known of the samples behind best-of-n's points.

    fewest: the smallest number of samples of a prompt; ties: share of samples whose proxy score another sample of the prompt
    has too; gold, proxy: mean and SD of each in its own units: what 0 and 1 stand for.
    """

    fewest: int
    ties: float
    gold: tuple[float, float]
    proxy: tuple[float, float]


@dataclass(frozen=True)
class OwnCurve:
    """The curve of one proxy, from small KL to large, and the law fitted to its gold.

    name: of the proxy, "" where the file names none. points: `label` (n or the policy, "" where neither is there), n (null
    where it is not best-of-n), kl (nats), gold, gold_se, proxy, proxy_se (null where not known), below_top, below_top_se
    (how far gold lies below the highest gold). start: the gold at KL 0 that was subtracted, None where the file has no such
    point, and nothing was. prompts: how many stand behind each point, None where the file does not say. Scores are in SDs
    over the base policy's samples where `samples` are known or policies were judged, else in the file's units.
    """

    kind: Kind
    name: str
    points: pl.DataFrame
    law: Bootstrap
    start: float | None
    prompts: int | None = None
    samples: Samples | None = None

    @property
    def in_sds(self) -> bool:
        """Whether scores are in SDs over the base policy's samples, as the paper's are."""
        return self.kind != "curves"

    @property
    def far(self) -> float:
        """The largest KL measured (nats)."""
        return float(self.points["kl"][-1])

    def column(self, name: str) -> Vector:
        """A column of the points; nan where it is not known."""
        return self.points[name].cast(pl.Float64).fill_null(math.nan).to_numpy()


def own_curves(path: Path, form: str = "") -> list[OwnCurve]:
    """The curves in `path`, one a proxy, in the order of the file.

    Scores (a column `prompt`) become best-of-n curves whose intervals are over prompts. Curves (a column `kl`), as `overopt
    bon` and `overopt judge` write them, are known by their points alone.

    Args:
        path: CSV or parquet.
        form: "bon" or "rl"; "" for bon where there is n, and rl where there are policies.

    Raises:
        UserError: as `read_scores` and `read_curves`; if gold or a proxy has one score for all samples, a column holds
            no numbers, or neither `form` nor the columns tell which law to fit.
    """
    found = read_scores_or_curves(path)
    if isinstance(found, Scores):
        law = law_named(form or "bon", "form")
        return [_of_scores(name, found, law, path) for name in found.proxies]
    kind: Kind = "policies" if "policy" in found.file.columns else "curves"
    if not form and kind == "curves" and "n" not in found.file.columns:
        raise UserError(
            f"{path}: found neither a column 'n' (best-of-n) nor 'policy', expected one, or --form bon or --form rl"
        )
    law = law_named(form or ("rl" if kind == "policies" else "bon"), "form")
    return [
        _of_points(name or "", found, rows, kind, law, path) for name, rows in found.rows_of_each().items()
    ]


def _of_scores(name: str, scores: Scores, law: Law, path: Path) -> OwnCurve:
    proxy, gold = scores.proxies[name], scores.gold
    scales = {"gold": _scale("gold", gold, path), name: _scale(name, proxy, path)}
    ns = sorted({*powers_of_two(scores.fewest), scores.fewest})
    best = best_of_n_ragged(proxy, gold, ns)
    # What a prompt gains over its own mean: prompts that differ in gold from the start add no noise to that.
    gains = {
        column: np.stack([getattr(point, f"{column}_by_prompt") for point in best])
        for column in ("gold", "proxy")
    }
    gains = {
        column: (values - values[0]) / scales[which][1]
        for (column, values), which in zip(gains.items(), scales, strict=True)
    }
    kl = np.array([point.kl_exact for point in best])
    mean = {column: values.mean(axis=1) for column, values in gains.items()}
    top = int(mean["gold"].argmax())
    points = pl.DataFrame(
        {
            "label": [f"n = {n}" for n in ns],
            "n": [float(n) for n in ns],
            "kl": kl,
            "gold": mean["gold"],
            "gold_se": standard_error(gains["gold"]),
            "proxy": mean["proxy"],
            "proxy_se": standard_error(gains["proxy"]),
            "below_top": mean["gold"][top] - mean["gold"],
            "below_top_se": standard_error(gains["gold"][top] - gains["gold"]),
        }
    ).with_columns(pl.col(COLUMNS).fill_nan(None))
    rng = np.random.default_rng(derive(0, "own curve", name))
    fitted = (
        bootstrap([(kl, gains["gold"])], law, rng=rng)
        if len(gold) > 1
        else not_drawn(fit(kl, mean["gold"], law=law), even_grid(kl))
    )
    ties = float(np.mean([_tied(row) for row in proxy]))
    samples = Samples(scores.fewest, ties, scales["gold"], scales[name])
    return OwnCurve("scores", name, points, fitted, samples.gold[0], len(gold), samples)


def _scale(name: str, scores: list[Float64[np.ndarray, " _"]], path: Path) -> tuple[float, float]:
    """Mean and SD over the samples, prompts counting the same.

    Raises:
        UserError: if all samples have one score.
    """
    mean = float(np.mean([row.mean() for row in scores]))
    sd = math.sqrt(np.mean([((row - mean) ** 2).mean() for row in scores]))
    if min(map(np.min, scores)) == max(map(np.max, scores)):
        raise UserError(f"{path}, column {name!r}: found one score for all samples, expected several")
    return mean, sd


def _tied(scores: Float64[np.ndarray, " samples"]) -> float:
    """Share of samples whose score another one has too."""
    _, counts = np.unique(scores, return_counts=True)
    return float(counts[counts > 1].sum() / len(scores))


def _of_points(name: str, curves: Curves, rows: np.ndarray, kind: Kind, law: Law, path: Path) -> OwnCurve:
    order = np.flatnonzero(rows)[np.argsort(curves.kl[rows], kind="stable")]
    kl, gold = curves.kl[order], curves.gold[order]
    begins = curves.at_base[order] if curves.at_base[order].any() else kl == 0
    start = float(gold[begins].mean()) if begins.any() else None
    columns = {column: optional_numbers(curves.file, column, path) for column in ("n", "proxy", "proxy_se")}
    unknown = np.full(len(order), math.nan)
    n, proxy, proxy_se = (unknown if values is None else values[order] for values in columns.values())
    if start is not None:
        gold, proxy = gold - start, proxy - proxy[begins].mean()
    gold_se = None if curves.gold_se is None else curves.gold_se[order]
    errors, top = unknown if gold_se is None else gold_se, int(gold.argmax())
    of_pair = np.sqrt(
        errors**2 + errors[top] ** 2
    )  # as if independent: what two points share is not in the file
    of_pair[top] = 0.0
    labels = (
        curves.file["policy"].cast(pl.String).fill_null("")[order].to_list()
        if kind == "policies"
        else [f"n = {value:g}" if value == value else "" for value in n]
    )
    points = pl.DataFrame(
        {
            "label": labels,
            "n": n,
            "kl": kl,
            "gold": gold,
            "gold_se": errors,
            "proxy": proxy,
            "proxy_se": proxy_se,
            "below_top": gold[top] - gold,
            "below_top_se": of_pair,
        }
    ).with_columns(pl.col("n", *COLUMNS).fill_nan(None))
    whole = fit(kl, gold, law=law, gold_se=gold_se)
    counted = optional_numbers(curves.file, "prompts", path)
    prompts = None if counted is None else int(counted[order].min())
    # Points of best-of-n share their samples, all points share a single prompt: that they lie close to a law says nothing.
    blind = gold_se is None and (prompts == 1 or not np.isnan(n).all())
    rng = np.random.default_rng(derive(0, "own curve", name))
    law_drawn = not_drawn(whole, even_grid(kl)) if blind else drawn_from_fit(whole, even_grid(kl), rng=rng)
    return OwnCurve(kind, name, points, law_drawn, start, prompts)
