"""Laws are fitted to the points that curves are drawn and averaged from."""

import numpy as np
import polars as pl
import pytest
from fake_evidence import evidence

from overopt.analysis.groups import PENALTIES

BACK = 8 * 12**2  # the step after which a run of `fake_results` comes back
PPO = pl.col("step").is_not_null()


def comes_back(table):
    """PPO that stands still and comes back from `BACK` on, while gold is lost."""
    late = PPO & (pl.col("step") > BACK)
    stands = pl.when(late).then(10.0).otherwise(pl.col("kl"))
    return table.with_columns(kl=stands, gold=pl.when(late).then(-5.0).otherwise(pl.col("gold")))


def ends(table):
    """The same, cut off at `BACK`."""
    return table.filter(~PPO | (pl.col("step") <= BACK))


@pytest.mark.parametrize("seeds", [1, 2])
def test_what_comes_back_is_in_no_mean_no_draw_and_no_law(seeds):
    back, cut = evidence(comes_back, seeds=seeds).sizes, evidence(ends, seeds=seeds).sizes
    assert back.mean.equals(cut.mean)
    for size in cut.values("ppo"):
        one, other = back.fits["ppo", size], cut.fits["ppo", size]
        assert (one.fit.alpha, one.fit.beta, one.beta) == (other.fit.alpha, other.fit.beta, other.beta)
        np.testing.assert_array_equal(back.drawn("ppo", size).draws, cut.drawn("ppo", size).draws)


def test_one_seed_is_drawn_averaged_and_fitted_at_the_same_kl():
    sizes = evidence(comes_back, seeds=1).sizes
    for size in sizes.values("ppo"):
        drawn, mean = sizes.drawn("ppo", size).kl, sizes.of("ppo").filter(rm_params=size)["kl"].to_numpy()
        np.testing.assert_allclose(mean, drawn)
        assert sizes.fits["ppo", size].fit.n_points == (drawn > 0).sum()


def test_a_penalised_run_is_fitted_to_every_step():
    held = evidence(lambda table: comes_back(table).filter(PPO))
    curves = held.sizes.curves.with_columns(kl_penalty=0.1)
    found = held.slice(PENALTIES, curves).fits["ppo", 0.1]
    assert found.fit.n_points > held.slice(PENALTIES, held.sizes.curves).fits["ppo", 0.0].fit.n_points
