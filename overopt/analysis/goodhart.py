"""Which part of the loss is noise: measured best-of-n beside the one that normal noise alone would give."""

import polars as pl

from overopt.analysis import averages
from overopt.analysis.evidence import Evidence
from overopt.estimators.noise_alone import best_of_n_of_noisy

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
    """Best-of-n by gold itself: `kl, gold, gold_se`, in order of n."""
    own = e.curves.filter(pairs=0, method="bon", policy_params=e.policy_params)
    return own.sort("n").select("kl", "gold", "gold_se")


def correlations(e: Evidence) -> dict[int, float]:
    """Correlation of gold and proxy within prompts, mean over seeds, by proxy size at the main number of pairs."""
    proxies = (
        e.results.proxies.filter(pairs=e.pairs, epochs=1, label_noise=0.0)
        .group_by("parameters")
        .agg(pl.col("correlation").mean())
    )
    return dict(proxies.iter_rows())


def beside_null(e: Evidence) -> pl.DataFrame:
    """Measured best-of-n, and the correlation times `perfect`: `rm_params, kl, gold, what`."""
    best, rho = perfect(e), correlations(e)
    measured = e.sizes.of("bon").select("rm_params", "kl", "gold", what=pl.lit(WAYS[0]))
    parts = [measured]
    for size in e.sizes.by.values(measured):
        columns = {"kl": best["kl"], "gold": rho[size] * best["gold"]}
        null = pl.DataFrame(columns).select(
            pl.lit(size, dtype=pl.Int64).alias("rm_params"), "kl", "gold", what=pl.lit(WAYS[1])
        )
        parts.append(null)
    return pl.concat(parts)


def losses(e: Evidence) -> pl.DataFrame:
    """At the largest n: `rm_params, correlation, perfect, null, gold, regressional, extremal` (SDs)."""
    top, rho = float(perfect(e)["gold"][-1]), correlations(e)
    ends = e.sizes.of("bon").sort("kl").group_by("rm_params", maintain_order=True).last().sort("rm_params")
    proxies = pl.DataFrame(
        {"rm_params": list(rho), "correlation": list(rho.values())}, schema_overrides={"rm_params": pl.Int64}
    )
    return ends.select("rm_params", "gold").join(proxies, on="rm_params", how="left").with_columns(
        perfect=pl.lit(top), null=pl.col("correlation") * top
    ).with_columns(
        regressional=pl.col("perfect") - pl.col("null"), extremal=pl.col("null") - pl.col("gold")
    )  # fmt: skip


def round_paths(e: Evidence) -> pl.DataFrame:
    """Gold along rounds, mean over so many `seeds`: `rounds, path, gold, gold_se, seeds`.

    `path` adds sqrt(KL) of the rounds before, as far as the longest run of rounds goes.
    """
    if e.rounds.is_empty():
        return pl.DataFrame()
    rows = []
    for (rounds,), part in e.iterated.group_by("rounds", maintain_order=True):
        ways = [_path(run, rounds) for run in part.partition_by("seed", maintain_order=True)]
        grid = averages.common_grid(ways)
        gold, error = averages.over_seeds(ways, "gold", grid)
        seeds = averages.present(ways, grid).sum(axis=0)
        columns = {
            "rounds": [rounds] * len(grid),
            "path": grid,
            "gold": gold,
            "gold_se": error,
            "seeds": seeds,
        }
        rows.append(pl.DataFrame(columns))
    mean = averages.averaged(e.once).with_columns(path=pl.col("kl").sqrt())
    most = float(pl.concat(rows)["path"].max())  # type: ignore[arg-type]
    whole = mean.filter(pl.col("path") <= most).select(
        pl.lit(1, dtype=pl.Int64).alias("rounds"), "path", "gold", "gold_se", "seeds"
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
