"""Which part of the loss is noise: measured best-of-n beside the one that normal noise alone would give."""

import polars as pl

from overopt.analysis import averages
from overopt.analysis.curves import prompt_curve
from overopt.analysis.evidence import Evidence
from overopt.estimators.noise_alone import best_of_n_of_noisy, gold_quantiles, with_noise

VARIANCES = (0.25, 1.0, 4.0)
WAYS = ("measured", "noise alone")


def null_curves(prompts: int = 1000, samples: int = 1024) -> pl.DataFrame:
    """Simulated best-of-n under normal noise: `noise, kl, gold, what`, simulated and by the theory's slope."""
    parts = []
    for noise in VARIANCES:
        null = best_of_n_of_noisy(noise, prompts=prompts, samples=samples, seed=1)
        for what, gold in {"simulated": null.gold, "proxy × slope": null.proxy / (1 + noise)}.items():
            columns = {"noise": [noise] * len(gold), "kl": null.kl, "gold": gold, "what": [what] * len(gold)}
            parts.append(pl.DataFrame(columns))
    return pl.concat(parts)


def perfect(e: Evidence) -> pl.DataFrame:
    """Best-of-n by gold itself: `record, n, kl, gold, gold_se`, in order of n."""
    own = e.curves.filter(pairs=0, method="bon", policy_params=e.policy_params)
    return own.sort("n").select("record", "n", "kl", "gold", "gold_se")


def followed(e: Evidence) -> pl.DataFrame:
    """How gold follows proxies within prompts, mean over seeds, at the main number of pairs.

    Columns: `rm_params, correlation, gold_sd`: the correlation of gold and proxy, and the SD of gold.
    """
    proxies = e.results.proxies.filter(pairs=e.pairs, epochs=1, label_noise=0.0)
    means = proxies.group_by(rm_params="parameters").agg(pl.col("correlation", "gold_sd").mean())
    return means.cast({"rm_params": pl.Int64}).sort("rm_params")


def noise_alone(e: Evidence) -> pl.DataFrame:
    """What best-of-n would be if each proxy were gold and normal noise of its correlation: `rm_params, kl, gold`, by n.

    Gold's own distribution is kept, which best-of-n by gold itself tells by prompt: see `estimators.noise_alone`.
    """
    best = perfect(e)
    ns = best["n"].to_list()
    quantiles = gold_quantiles(ns, prompt_curve(e.results.by_prompt, best["record"][0])["gold"])
    parts = [pl.DataFrame(schema={"rm_params": pl.Int64, "kl": pl.Float64, "gold": pl.Float64})]
    for size, correlation, gold_sd in followed(e).iter_rows():
        gold = with_noise(ns, quantiles, correlation=correlation, gold_sd=gold_sd)
        parts.append(
            pl.DataFrame({"kl": best["kl"], "gold": gold}).select(
                pl.lit(size, dtype=pl.Int64).alias("rm_params"), "kl", "gold"
            )
        )
    return pl.concat(parts)


def beside_null(e: Evidence) -> pl.DataFrame:
    """Measured best-of-n, and `noise_alone` of the same sizes: `rm_params, kl, gold, what`."""
    measured = e.sizes.of("bon").select("rm_params", "kl", "gold", what=pl.lit(WAYS[0]))
    null = noise_alone(e).join(measured, on="rm_params", how="semi")
    return pl.concat([measured, null.with_columns(what=pl.lit(WAYS[1]))])


def losses(e: Evidence) -> pl.DataFrame:
    """At the largest n: `rm_params, correlation, perfect, null, gold, regressional, extremal` (SDs)."""
    top = float(perfect(e)["gold"][-1])
    ends = e.sizes.of("bon").sort("kl").group_by("rm_params", maintain_order=True).last().sort("rm_params")
    null = noise_alone(e).group_by("rm_params", maintain_order=True).agg(null=pl.col("gold").last())
    told = followed(e).select("rm_params", "correlation").join(null, on="rm_params")
    return (
        ends.select("rm_params", "gold")
        .join(told, on="rm_params", how="left")
        .with_columns(perfect=pl.lit(top))
        .with_columns(
            regressional=pl.col("perfect") - pl.col("null"), extremal=pl.col("null") - pl.col("gold")
        )
    )


def round_paths(e: Evidence) -> pl.DataFrame:
    """Gold along rounds, mean over seeds as far as all came: `rounds, path, gold, gold_se`.

    `path` adds sqrt(KL) of the rounds before, as far as the longest run of rounds goes.
    """
    if e.rounds.is_empty():
        return pl.DataFrame()
    rows = []
    for (rounds,), part in e.iterated.group_by("rounds", maintain_order=True):
        ways = [_path(run, rounds) for run in part.partition_by("seed", maintain_order=True)]
        grid = averages.common_grid(ways)
        gold, error = averages.over_seeds(ways, "gold", grid)
        columns = {"rounds": [rounds] * len(grid), "path": grid, "gold": gold, "gold_se": error}
        rows.append(pl.DataFrame(columns))
    mean = averages.averaged(e.once).with_columns(path=pl.col("kl").sqrt())
    most = float(pl.concat(rows)["path"].max())  # type: ignore[arg-type]
    whole = mean.filter(pl.col("path") <= most).select(
        pl.lit(1, dtype=pl.Int64).alias("rounds"), "path", "gold", "gold_se"
    )
    return pl.concat([whole, *rows]).sort("rounds", "path")


def _path(run: pl.DataFrame, rounds: int) -> pl.DataFrame:
    """One run of `rounds` rounds: `place, gold, gold_se`, as `averages.advancing`; `place` is the distance gone."""
    parts, gone = [], 0.0
    for k in range(1, rounds + 1):
        way = averages.advancing(run.filter(round=k).with_columns(kl=pl.coalesce("kl_round", "kl")))
        parts.append(way.select("gold", "gold_se", place=gone + pl.col("place")))
        gone += float(way["place"][-1])
    return pl.concat(parts)
