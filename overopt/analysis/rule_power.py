"""What rules can tell: their verdicts in worlds whose answer is known, drawn again and again."""

from collections.abc import Callable, Iterable

import polars as pl

from overopt.analysis.claims.verdicts import CLAIMS
from overopt.analysis.evidence import Evidence
from overopt.analysis.known_worlds import NULLS, PAPER
from overopt.analysis.simulated import Simulator

NOISES = (1.0, 3.0)  # times a study's own noise


def outcomes(
    simulator: Simulator, seeds: Iterable[int], progress: Callable[[int, int], None] = lambda done, of: None
) -> pl.DataFrame:
    """One row a world, noise, seed and claim: `world, noise, seed, claim, verdict`; checks of theorems are left out."""
    draws = [(world, noise, seed) for seed in seeds for noise in NOISES for world in (PAPER, *NULLS)]
    rows = []
    for done, (world, noise, seed) in enumerate(draws, 1):
        evidence = Evidence(simulator.draw(world, noise=noise, seed=seed))
        for claim in CLAIMS:
            if not claim.check:
                verdict = claim.judge(evidence).verdict
                rows.append((world.name, noise, seed, claim.number, verdict))
        progress(done, len(draws))
    return pl.DataFrame(rows, schema=["world", "noise", "seed", "claim", "verdict"], orient="row")


def rates(found: pl.DataFrame) -> pl.DataFrame:
    """One row a claim: how often `outcomes` say what is so, and what is not.

    Columns: `claim, text, power, refused, power_noisy, alarms, alarms_noisy`, shares of draws: that the claim holds in the
    paper's world, that it does not hold there, the first with the most noise; and that it holds in a null where it is not
    so, the largest of those nulls, with the study's noise and with the most. Null where it is so in every null.
    """
    most = max(NOISES)
    by_draw = found.with_columns(
        held=pl.col("verdict") == "holds", refused=pl.col("verdict") == "does not hold"
    )
    shares = by_draw.group_by("world", "noise", "claim").agg(pl.col("held", "refused").mean())
    rows = []
    for claim in CLAIMS:
        if claim.check:
            continue
        of = shares.filter(claim=claim.number)
        row = {"claim": claim.number, "text": claim.text}
        for name, noise in {"": NOISES[0], "_noisy": most}.items():
            paper = of.filter(world=PAPER.name, noise=noise).row(0, named=True)
            lacking = [null.name for null in NULLS if claim.number not in null.true]
            alarms = of.filter(pl.col("world").is_in(lacking), noise=noise)["held"]
            row |= {
                f"power{name}": paper["held"],
                f"refused{name}": paper["refused"],
                f"alarms{name}": alarms.max(),
            }
        rows.append(row)
    return pl.DataFrame(rows).select(
        "claim", "text", "power", "refused", "power_noisy", "alarms", "alarms_noisy"
    )
