"""Means over seeds of what PPO's runs recorded."""

import polars as pl

from overopt.analysis.seed_means import seed_means


def run(record, kl, entropy, size=1):
    steps = pl.Series("step", range(len(kl)), dtype=pl.Int64)
    rows = pl.DataFrame({"kl": kl, "entropy": entropy}, schema={"kl": pl.Float64, "entropy": pl.Float64})
    return rows.with_columns(steps, record=pl.lit(record), rm_params=pl.lit(size))


def test_runs_meet_at_the_same_step_as_far_as_every_seed_came():
    ppo = pl.concat([run("a", [0.0, 1.0, 4.0], [5.0] * 3), run("b", [0.0, 3.0], [4.0] * 2)])
    assert seed_means(ppo, "kl", "step").select("step", "kl").rows() == [(0.0, 0.0), (1.0, 2.0)]


def test_runs_meet_where_each_first_came_to_a_kl():
    """By step the mean at 1 nat would be of 3 and 5, as `b` is there two steps later."""
    a, b = run("a", [0.0, 1.0, 4.0], [5.0, 3.0, 1.0]), run("b", [0.0, 0.25, 1.0, 4.0], [5.0, 5.0, 5.0, 1.0])
    mean = seed_means(pl.concat([a, b]), "entropy", "kl")
    near = mean.filter((pl.col("kl") - 4 / 9 * 4).abs() < 1e-9)
    assert mean["kl"][-1] == 4.0
    assert mean["entropy"][-1] == 1.0
    # sqrt(KL) = 4/3: a is a third of its way from 3 to 1, b from 5 to 1
    assert near["entropy"].to_list() == [((3 - 2 / 3) + (5 - 4 / 3)) / 2]


def test_a_single_run_or_one_without_the_column_has_no_mean():
    alone = run("a", [0.0, 1.0], [5.0, 4.0])
    assert seed_means(alone, "kl", "step").is_empty()
    unknown = pl.concat([run("b", [0.0, 1.0], [5.0, None], 2), run("c", [0.0, 1.0], [5.0, 4.0], 2)])
    assert seed_means(unknown, "entropy", "kl").is_empty()
    both = seed_means(pl.concat([alone, unknown]), "kl", "step")
    assert both["rm_params"].unique().to_list() == [2]
