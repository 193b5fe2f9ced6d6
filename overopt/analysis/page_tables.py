"""Tables that pages draw or print, where the evidence has all but their last step: one function each."""

import polars as pl

from overopt.analysis import figure_tables, fit_shapes, laws_elsewhere, predictions
from overopt.analysis import ppo_sweep as settings
from overopt.analysis.evidence import Evidence
from overopt.analysis.results import Results


def main_proxies(evidence: Evidence) -> pl.DataFrame:
    """Validation of the proxies behind the curves by size: `rm_params, seed, rm_loss, rm_accuracy` (paper: Fig. 11)."""
    bon = evidence.sizes.curves.filter(method="bon").group_by("rm_params", "seed")
    return bon.agg(pl.col("rm_loss", "rm_accuracy").first()).sort("rm_params", "seed")


def sweep(evidence: Evidence) -> pl.DataFrame:
    """Learning rates that were tried: `rm_params, learning_rate, validation_loss`; no row where rates were given."""
    tried = evidence.results.sweep
    return pl.DataFrame() if tried is None else tried.rename({"parameters": "rm_params"})


def ppo_sweep(evidence: Evidence) -> pl.DataFrame:
    """`ppo_sweep.ranking` of the settings of PPO that were tried, and whether each is `chosen`; no row without any."""
    tried = evidence.results.ppo_sweep
    if tried is None:
        return pl.DataFrame()
    return settings.ranking(tried).with_columns(
        chosen=pl.col("setting") == settings.chosen(evidence.results.study)
    )


def ppo_sweep_curves(evidence: Evidence) -> pl.DataFrame:
    """KL efficiency along the run of each setting of PPO that was tried: `setting, step, kl, efficiency, ...`."""
    tried = evidence.results.ppo_sweep
    return pl.DataFrame() if tried is None else tried.drop_nulls("efficiency")


def policy_samples(results: Results) -> pl.DataFrame:
    """Samples of the initial policy, `prompt, completion`; no row where the study kept none."""
    policy = results.chain.get("policy")
    return pl.DataFrame(
        policy["samples"] if policy else [], schema={"prompt": pl.String, "completion": pl.String}
    )


def coefficients_by_pairs(evidence: Evidence) -> pl.DataFrame:
    """`figure_tables.coefficients_by_pairs`, and those of a replication elsewhere where there are two of ours or more."""
    ours = figure_tables.coefficients_by_pairs(evidence)
    theirs = laws_elsewhere.table().filter(source=laws_elsewhere.REPRO)
    theirs = theirs.select("pairs", "alpha", "beta", what=pl.col("source"))
    return pl.concat([ours, theirs], how="diagonal_relaxed") if ours.height > 1 else ours


def ppo_errors(evidence: Evidence) -> pl.DataFrame:
    """`predictions.form_errors` of PPO."""
    return predictions.form_errors(evidence).filter(method="ppo")


def known_peaks(evidence: Evidence) -> pl.DataFrame:
    """`fit_shapes.peaks` that are known."""
    return fit_shapes.peaks(evidence).filter("known")


def far_curves(evidence: Evidence) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Far best-of-n, and the law fitted to its near part: `figure_tables.far_means, far_law_lines`; empty without any."""
    means = figure_tables.far_means(evidence)
    return means, means if means.is_empty() else figure_tables.far_law_lines(evidence)


def far_ends(evidence: Evidence) -> pl.DataFrame:
    """`predictions.far_error` at the largest n alone, and `difference`: gold minus what the law predicted (SDs)."""
    beyond = predictions.far_error(evidence)
    if beyond.is_empty():
        return beyond
    ends = beyond.sort("rm_params", "pairs", "n").filter(n=beyond["n"].max())
    return ends.with_columns(difference=pl.col("gold") - pl.col("predicted"))


def highest(evidence: Evidence) -> pl.DataFrame:
    """`Evidence.grid` with the highest gold of best-of-n as `gold, gold_se` (paper: Fig. 10)."""
    return evidence.grid.rename({"gold_top": "gold", "gold_top_se": "gold_se"})


def at_largest_n(evidence: Evidence) -> pl.DataFrame:
    """`Evidence.grid` with gold at the largest n as `gold, gold_se` (paper: Figs 5, 21)."""
    return evidence.grid.rename({"gold_end": "gold", "gold_end_se": "gold_se"})


def epochs_seen(evidence: Evidence) -> pl.DataFrame:
    """`Evidence.epochs`, and `seen`: pairs times passes over them (paper: Fig. 13)."""
    epochs = evidence.epochs
    return epochs if epochs.is_empty() else epochs.with_columns(seen=pl.col("pairs") * pl.col("epochs"))


def highest_by_proxy(evidence: Evidence) -> pl.DataFrame:
    """The highest `gold, gold_se` of best-of-n, at `n`, by proxy: `rm_params, pairs, seed, rm_loss, rm_accuracy`."""
    proxy = ["rm_params", "pairs", "seed"]
    curves = evidence.plain.filter(method="bon").sort(*proxy, "n").group_by(proxy, maintain_order=True)
    top = pl.col("gold", "gold_se", "n").sort_by("gold").last()
    return curves.agg(pl.col("rm_loss", "rm_accuracy").first(), top)
