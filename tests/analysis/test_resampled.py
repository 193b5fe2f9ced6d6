"""Curves drawn again: means, standard errors of known size, and shared prompts."""

import math

import numpy as np
import polars as pl
import pytest

from overopt.analysis.resampled import interval, resampled, slopes

PROMPTS = 400


def tables(golds, kl):
    """Curves and by-prompt tables of one record a seed; golds: [seeds, points, prompts]."""
    rows = [
        {"record": f"r{seed}", "n": None, "step": point, "prompt": prompt, "kl": kl[point],
         "gold": float(value), "proxy": 2 * float(value)}
        for seed, run in enumerate(golds) for point, of in enumerate(run) for prompt, value in enumerate(of)
    ]  # fmt: skip
    by_prompt = pl.DataFrame(rows, schema_overrides={"n": pl.Int64})
    return by_prompt.select("record").unique(maintain_order=True), by_prompt


def test_one_seed_has_the_error_of_its_prompts():
    golds = np.random.default_rng(0).normal([[0.0], [1.0], [2.0]], 1.0, size=(1, 3, PROMPTS))
    curves, by_prompt = tables(golds, [0.0, 1.0, 4.0])
    found = resampled(curves, by_prompt)
    assert found.kl.tolist() == [0, 1, 4]
    assert found.mean == pytest.approx(golds[0].mean(1))
    assert found.draws.std(0) == pytest.approx(golds[0].std(1) / math.sqrt(PROMPTS), rel=0.15)
    mean, draws = found.at([2.25])
    assert mean == pytest.approx((found.mean[1:2] + found.mean[2:3]) / 2)
    assert draws.shape == (400, 1)


def test_seeds_widen_it_and_prompts_are_shared():
    offsets = np.array([-0.5, 0.0, 0.5])[:, None, None]
    golds = offsets + np.zeros((3, 2, PROMPTS))
    curves, by_prompt = tables(golds, [0.0, 1.0])
    found = resampled(curves, by_prompt)
    assert found.mean == pytest.approx([0.0, 0.0])
    assert found.draws.std(0) == pytest.approx(np.std([-0.5, 0, 0.5]) / math.sqrt(3), rel=0.15)
    one = np.random.default_rng(1).normal(size=(1, 2, PROMPTS))
    first = resampled(*tables(one, [0.0, 1.0]))
    second = resampled(*tables(one + 1, [0.0, 1.0]))
    assert (second.draws - first.draws).std() < 1e-12  # the same prompts: their difference is known


def test_by_step_a_curve_is_followed_where_kl_stands_still():
    golds = np.array([[[0.0] * 4, [2.0] * 4, [1.0] * 4]])
    curves, by_prompt = tables(golds, [0.0, 4.0, 4.0])
    found = resampled(curves, by_prompt, by_step=True)
    assert found.kl.tolist() == [0, 4, 4]
    assert found.mean.tolist() == [0, 2, 1]


def test_runs_of_different_kl_meet_on_one_grid():
    one, two = (
        tables(np.array([[[0.0] * 4, [2.0] * 4]]), [0.0, 4.0]),
        tables(np.array([[[0.0] * 4, [1.0] * 4]]), [0.0, 1.0]),
    )
    by_prompt = pl.concat([one[1], two[1].with_columns(record=pl.lit("other"))])
    found = resampled(by_prompt.select("record").unique(maintain_order=True), by_prompt)
    assert found.kl[-1] == pytest.approx(1.0)
    assert found.mean == pytest.approx(np.sqrt(found.kl))  # both rise by 1 for each sqrt(nat)


def test_slopes_and_intervals():
    assert slopes([0.0, 1.0, 2.0], np.array([1.0, 3.0, 5.0])) == pytest.approx(2.0)
    assert slopes([0.0, 1.0], np.array([[0.0, 1.0], [0.0, -1.0]])) == pytest.approx([1.0, -1.0])
    assert interval(np.arange(1001.0)) == pytest.approx((25, 975))
    assert interval([1.0, math.nan, 1.0]) == (1.0, 1.0)
    assert all(map(math.isnan, interval([])))
