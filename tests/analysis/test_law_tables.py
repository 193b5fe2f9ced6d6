"""Coefficients of others beside ours, and forms beside the paper's, on curves whose form is known."""

import polars as pl
import pytest
from fake_evidence import evidence

from overopt.analysis import law_tables
from overopt.report import law_sentences, tables

TRUE = (0.55, 0.72, 0.85, 0.95)  # alpha of best-of-n of the synthetic curves, by size


@pytest.fixture(scope="module")
def e():
    return evidence()


def test_ours_stand_below_the_papers_and_a_replications(e):
    laws = law_tables.coefficients(e)
    kinds = [(row["method"], row["source"]) for row in laws.iter_rows(named=True)]
    assert list(dict.fromkeys(kinds)) == [
        ("bon", "paper"), ("bon", "replication"), ("bon", "here"), ("ppo", "paper"), ("ppo", "here"),
    ]  # fmt: skip
    ours = laws.filter(source="here", method="bon")
    assert ours["alpha"].to_list() == pytest.approx(TRUE, abs=0.05)
    assert set(ours["pairs"]) == {9_000}
    assert laws.filter(pl.col("source") != "here")["shape"].null_count() == 9
    printed = tables.printed("tab-coefficients", laws, "Laws.")
    assert "| paper | PPO | 3M | 90,000 | — | — | 0.175 |" in printed
    assert "| replication | best-of-n | 500M | 500 | — | 0.39 | 0.136 |" in printed
    assert printed.count("| here |") == 8


def test_the_form_that_made_the_curves_is_the_nearest(e):
    forms = law_tables.forms(e)
    for method in ("bon", "ppo"):
        rows = forms.filter(method=method)
        own = rows.filter("own")
        assert own.height == 1
        two = rows.filter(~pl.col("tex").str.contains("gamma|varepsilon"))  # forms with two parameters
        assert two.sort("misfit")["own"][0]
        assert own["misfit"][0] < 0.03
    assert forms["method"].to_list() == ["bon"] * 5 + ["ppo"] * 5


def test_another_form_that_is_nearer_is_named():
    d = pl.col("kl").sqrt()
    logs = evidence(lambda table: table.with_columns(gold=d * (0.5 - 0.3 * d.clip(0.01).log())))
    said = law_sentences.say_forms(law_tables.forms(logs))
    assert "forms; the nearest, $" in said.partition("PPO")[0]
    assert "PPO: $d(\\alpha - \\beta \\ln\\,d)$ misses the mean curves by 0." in said
