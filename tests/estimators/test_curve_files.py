"""Curves with ties in their KL, and with KL estimated a little below 0."""

import json

import numpy as np
import polars as pl
import pytest

from overopt.cli.estimates import bon_command, fit_command
from overopt.estimators.curve_files import read_curves
from overopt.estimators.laws import fit
from overopt.estimators.tables import fit_table
from overopt.util.errors import UserError


def curves(path, text):
    path.write_text(text)
    return path


def test_the_kl_given_ties_is_used_and_said(tmp_path, capsys):
    rng = np.random.default_rng(0)
    gold = rng.normal(size=20 * 64)
    scores = {"prompt": [f"{k}" for k in range(20) for _ in range(64)], "gold": gold, "proxy": gold.round()}
    pl.DataFrame(scores).write_csv(tmp_path / "scores.csv")
    bon_command(tmp_path / "scores.csv", tmp_path / "curves.csv")
    table = pl.read_csv(tmp_path / "curves.csv")
    assert (table["kl_exact"] < table["kl"] - 0.01).sum() == 6
    assert table["kl_exact"][0] == 0.0
    read = read_curves(tmp_path / "curves.csv")
    assert np.array_equal(read.kl, table["kl_exact"])
    (note,) = read.notes
    assert "'kl_exact', which for 6 of 7 points differs from 'kl'" in note
    (row,) = fit_table(tmp_path / "curves.csv", "bon")
    expected = fit(table["kl_exact"], table["gold"], law="bon", gold_se=table["gold_se"])
    assert row["alpha"] == pytest.approx(expected.alpha)
    capsys.readouterr()
    fit_command(tmp_path / "curves.csv", "bon")
    assert "proxies tie\n" in capsys.readouterr().out
    fit_command(tmp_path / "curves.csv", "bon", json=True)
    said = capsys.readouterr()
    assert len(json.loads(said.out)) == 1
    assert said.err == note + "\n"


def test_without_ties_nothing_is_said(tmp_path):
    read = read_curves(curves(tmp_path / "c.csv", "kl,kl_exact,gold\n0,0,0\n1,1,1\n2,2,1\n"))
    assert read.notes == ()
    some = read_curves(curves(tmp_path / "c.csv", "kl,kl_exact,gold\n0,0,0\n1,,1\n2,1.5,1\n"))
    assert some.kl.tolist() == [0.0, 1.0, 1.5]


@pytest.mark.parametrize(
    ("rows", "kls"),
    [
        ("kl,kl_se,gold\n-0.02,0.01,0\n1,0.1,1\n2,0.1,1\n", [0, 1, 2]),
        ("kl,kl_se,gold\n-0.3,0.1,0\n1,0.1,1\n2,0.1,1\n", [0, 1, 2]),
        ("kl,gold\n-0.019,0\n1,1\n2,1\n", [0, 1, 2]),
        ("kl,kl_se,gold\n-1e-12,0,0\n1,0.1,1\n2,0.1,1\n", [0, 1, 2]),
    ],
)
def test_a_kl_within_its_error_of_0_counts_as_0(tmp_path, rows, kls):
    read = read_curves(curves(tmp_path / "c.csv", rows))
    assert read.kl.tolist() == kls
    (note,) = read.notes
    assert "KL is below 0 for 1 of 3 points, by no more than its error" in note
    assert not read.at_base.any()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("kl,kl_se,gold\n-0.031,0.01,0\n1,0.1,1\n2,0.1,1\n", "row 1: found -0.031, .* here -0.03"),
        ("kl,gold\n1,0\n-0.021,1\n2,1\n", "row 2: found -0.021, .* here -0.02"),
        ("kl,gold\n-1,0\n-2,1\n", "row 2: found -2.0, expected nats, not negative"),
        ("kl,kl_se,gold\n-0.3,-1,0\n1,0.1,1\n", "column 'kl_se', row 1: found -1.0, expected 0 or more"),
        ("kl,kl_exact,gold\n1,-1,0\n2,2,1\n", "found -1.0, expected nats, not negative"),
    ],
)
def test_a_kl_further_below_0_is_refused(tmp_path, rows, message):
    with pytest.raises(UserError, match=message):
        read_curves(curves(tmp_path / "c.csv", rows))


def test_centring_prefers_the_base_policy_itself(tmp_path):
    """A point a little below 0 counts as 0 but is another policy; its gold is the start only where no other is."""
    text = "kl,kl_se,gold\n{base}-0.01,0.01,1.5\n1,0.1,2\n4,0.1,2.5\n9,0.1,2\n"
    path = curves(tmp_path / "c.csv", text.format(base="0,0,1\n"))
    both = fit_table(path, "bon", centre=True)[0]["alpha"]
    alone = fit_table(curves(tmp_path / "d.csv", text.format(base="")), "bon", centre=True)[0]["alpha"]
    kl = [1.0, 4.0, 9.0]
    assert both == pytest.approx(fit(kl, [1.0, 1.5, 1.0], law="bon").alpha)
    assert alone == pytest.approx(fit(kl, [0.5, 1.0, 0.5], law="bon").alpha)


def test_curves_come_in_json_and_gzip_too(tmp_path):
    rows = [{"kl": 0, "gold": 0.0}, {"kl": 1.5, "gold": 1}, {"kl": 4, "gold": 1.5}]
    path = curves(tmp_path / "c.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert read_curves(path).kl.tolist() == [0.0, 1.5, 4.0]
