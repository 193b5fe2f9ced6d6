"""What noise alone would leave of perfect selection, where gold is not normal."""

import math
from dataclasses import replace

import fake_results
import numpy as np
import polars as pl
import pytest
from fake_evidence import evidence

from overopt.analysis import goodhart
from overopt.analysis.evidence import Evidence
from overopt.estimators.best_of_n import best_of_n_curve, powers_of_two

CORRELATION = 0.5
NS = powers_of_two(64)


@pytest.fixture(scope="module")
def gold():
    """Scores of gold that cannot go far, [prompts, samples]."""
    rng = np.random.default_rng(0)
    return np.tanh(0.5 * rng.normal(size=(60, 1)) + 1.5 * rng.normal(size=(60, 512)))


@pytest.fixture(scope="module")
def e(gold):
    """Evidence with best-of-n by that gold itself, and proxies that all have one correlation with it."""
    found = evidence().results
    points = best_of_n_curve(gold, gold, NS)
    like = found.curves.filter(method="bon", rm_params=fake_results.SIZES[0], seed=0)[: len(NS)]
    own = like.with_columns(
        rm_params=pl.lit(0, dtype=pl.Int64),
        pairs=pl.lit(0, dtype=pl.Int64),
        epochs=pl.lit(0, dtype=pl.Int64),
        record=pl.lit("gold"),
        gold=pl.Series([point.gold for point in points]),
    )
    prompts = [
        {
            "record": "gold",
            "n": point.n,
            "step": None,
            "prompt": k,
            "kl": point.kl,
            "gold": value,
            "proxy": value,
        }
        for point in points
        for k, value in enumerate(point.gold_by_prompt.tolist())
    ]
    proxies = pl.DataFrame(
        {"parameters": fake_results.SIZES, "pairs": 9000, "epochs": 1, "label_noise": 0.0,
         "correlation": CORRELATION, "gold_sd": float(np.sqrt(gold.var(axis=1).mean()))}
    )  # fmt: skip
    return Evidence(
        replace(
            found,
            curves=pl.concat([found.curves, own]),
            by_prompt=pl.concat([found.by_prompt, pl.DataFrame(prompts, schema=found.by_prompt.schema)]),
            proxies=proxies,
        )
    )


def test_noise_alone_is_put_on_golds_own_scores(e, gold):
    rng = np.random.default_rng(1)
    noise = math.sqrt(gold.var(axis=1).mean() * (1 / CORRELATION**2 - 1))
    drawn = [best_of_n_curve(gold + noise * rng.normal(size=gold.shape), gold, NS) for _ in range(8)]
    simulated = np.mean([[point.gold for point in curve] for curve in drawn], axis=0)
    for size in fake_results.SIZES:
        null = goodhart.noise_alone(e).filter(rm_params=size)
        np.testing.assert_allclose(null["gold"], simulated, atol=0.015)
    perfect = goodhart.perfect(e)["gold"].to_numpy()
    by_theory = simulated[0] + CORRELATION * (perfect - perfect[0])
    assert np.abs(by_theory - simulated).max() > 0.05  # which is of normal gold


def test_losses_divide_what_perfect_selection_has_more(e):
    found, null = goodhart.losses(e), goodhart.noise_alone(e).filter(rm_params=fake_results.SIZES[0])
    assert found["rm_params"].to_list() == list(fake_results.SIZES)
    assert found["null"].to_list() == [null["gold"][-1]] * 4
    assert (found["regressional"] + found["extremal"] + found["gold"] - found["perfect"]).abs().max() < 1e-9
    beside = goodhart.beside_null(e)
    assert beside.group_by("what").len().sort("what").rows() == [("measured", 44), ("noise alone", 28)]
