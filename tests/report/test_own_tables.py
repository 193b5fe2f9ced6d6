"""The table of a reader's own laws: no peak whose interval spans decades, and a plain word where beta may be 0."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from overopt.analysis.own_curves import OwnCurve
from overopt.estimators.bootstrap import bootstrap
from overopt.report import own_tables

KL = np.linspace(0.1, 3.0, 12) ** 2


@pytest.fixture(scope="module")
def law():
    """0.8 d - 0.2 d^2 and prompts that differ in their slope: a peak at 4 nats."""
    d, slopes = np.sqrt(KL)[:, None], 0.8 + 0.05 * np.random.default_rng(0).normal(size=40)
    return bootstrap([(KL, d * (slopes - 0.2 * d))], "bon", rng=np.random.default_rng(1), draws=200)


def row(law):
    """The first row's cells."""
    points = pl.DataFrame({"kl": KL})
    return own_tables.coefficients([OwnCurve("curves", "mine", points, law, None)]).split("<tr")[2]


def test_a_peak_that_is_known_is_printed(law):
    assert "[3." in row(law)
    assert "ok" in row(law)


def test_a_peak_whose_interval_spans_decades_is_not(law):
    wide = row(replace(law, peak_kl=(0.2, 223_571.9), peak_gold=(0.1, 8.8)))
    assert "223571" not in wide
    assert "8.8" not in wide


def test_a_beta_that_may_be_0_is_a_straight_line(law):
    assert "straight line" in row(replace(law, beta=(-0.1, 0.1)))
