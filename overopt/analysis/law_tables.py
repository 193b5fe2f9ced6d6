"""The laws in two tables: coefficients, the paper's and others' beside ours, and every form beside the paper's two."""

import math

import numpy as np
import polars as pl

from overopt.analysis import fit_shapes, laws_elsewhere, predictions
from overopt.analysis.averages import NAMES, points
from overopt.analysis.evidence import Evidence
from overopt.analysis.fitted_laws import LAW_OF
from overopt.analysis.misfits import moved
from overopt.estimators.laws import LAWS
from overopt.estimators.rival_forms import RIVALS, fitted_until

HERE = "here"
ENDS = [f"{name}_{end}" for name in ("alpha", "beta") for end in ("low", "high")]


def coefficients(evidence: Evidence) -> pl.DataFrame:
    """Alpha and beta of both methods: `source, method, rm_params, pairs, alpha, beta, shape`; ends: `_low, _high`.

    Of each method first those of `laws_elsewhere`, without intervals and shape, then ours by proxy size, with the word of
    `fit_shapes.SHAPES`. Alpha is in SDs a sqrt(nat), beta in SDs a nat for best-of-n, in SDs a sqrt(nat) for PPO.
    """
    parts = [laws_elsewhere.table()]
    for method in NAMES:
        words = fit_shapes.shapes(evidence, method)
        if words:
            found = evidence.sizes.coefficients(method).with_columns(
                pl.col("rm_params").replace_strict(words, return_dtype=pl.String).alias("shape"),
                source=pl.lit(HERE),
                method=pl.lit(method),
                pairs=pl.lit(evidence.pairs),
            )
            parts.append(found.select(*laws_elsewhere.SCHEMA, *ENDS, "shape"))
    return pl.concat(parts, how="diagonal_relaxed").sort("method", maintain_order=True)


def form_misfits(evidence: Evidence) -> pl.DataFrame:
    """How far each form is from the mean curves it is fitted to, as a share of gold's range: `method, tex, misfit`.

    Root mean square over the points, median over the proxy sizes whose gold surely moves. The curve's own noise is in it,
    the same for all forms of a method.
    """
    rows = []
    for method in NAMES:
        sizes = evidence.sizes.values(method) if evidence.sizes.has(method, 1) else []
        moving = [size for size in sizes if moved(evidence.sizes.drawn(method, size)) > 0]
        for law in (LAWS | RIVALS).values():
            found = []
            for size in moving:
                kl, gold, se = points(evidence.sizes.of(method).filter(rm_params=size))
                predict = fitted_until(law, kl, gold, se, math.inf)
                if predict:
                    used = kl > 0
                    missed = predict(kl[used]) - gold[used]
                    found.append(math.sqrt(np.mean(missed**2)) / np.ptp(gold))
            if found:
                rows.append({"method": method, "tex": law.tex, "misfit": float(np.median(found))})
    return pl.DataFrame(
        rows, schema={"method": pl.String, "tex": pl.String, "misfit": pl.Float64}, orient="row"
    )


def forms(evidence: Evidence) -> pl.DataFrame:
    """Every form for each method, the closest first: `method, tex, own, misfit, error`.

    own: whether it is the paper's form for the method; misfit: see `form_misfits`; error: on the held-out end of curves
    (SDs), mean over proxy sizes: see `predictions.form_errors`. What could not be fitted is null.
    """
    held_out = predictions.form_errors(evidence).group_by("method", "tex").agg(pl.col("error").mean())
    both = form_misfits(evidence).join(held_out, on=["method", "tex"], how="full", coalesce=True)
    own = {method: LAW_OF[method].tex for method in NAMES}
    own_form = pl.col("method").replace_strict(own, return_dtype=pl.String) == pl.col("tex")
    return both.with_columns(own=own_form).sort("method", "misfit", "error", nulls_last=True)
