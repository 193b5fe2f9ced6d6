"""Files of scores in, curves and fits out: right numbers, or one sentence and nothing written."""

import json
import math
import os

import numpy as np
import polars as pl
import pytest

from overopt.cli.estimates import bon_command, fit_command
from overopt.estimators.best_of_n import best_of_n, best_of_n_kl
from overopt.estimators.laws import fit
from overopt.estimators.tables import bon_table, fit_table
from overopt.util.errors import UserError

COLUMNS = ["proxy_name", "n", "kl", "kl_exact", "gold", "gold_se", "proxy", "proxy_se"]
KEYS = [
    "proxy_name",
    "form",
    "alpha",
    "alpha_se",
    "beta",
    "beta_se",
    "peak_kl",
    "peak_gold",
    "status",
    "n_points",
]


@pytest.fixture
def scores():
    """Two proxies, one with ties, on four prompts of 12 to 20 samples, the rows shuffled."""
    rng = np.random.default_rng(0)
    prompt = np.repeat(['say, "hi"', "01", "1", "ünï"], [20, 12, 16, 12])
    gold = rng.normal(3, 2, len(prompt))
    fine = gold + rng.normal(0, 1, len(prompt))
    coarse = (gold + rng.normal(0, 2, len(prompt))).round()
    return pl.DataFrame({"prompt": prompt, "gold": gold, "fine": fine, "coarse": coarse}).sample(
        fraction=1, shuffle=True, seed=1
    )


def save(df, path):
    df.write_csv(path) if path.suffix == ".csv" else df.write_parquet(path)
    return path


def curve_file(path, alpha=0.6, beta=0.12, offset=0.0, **extra):
    kl = np.array([best_of_n_kl(2**k) for k in range(12)])
    d = np.sqrt(kl)
    return save(pl.DataFrame({"kl": kl, "gold": offset + d * (alpha - beta * d), **extra}), path)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_bon_equals_the_estimator_prompt_by_prompt(tmp_path, scores, ending):
    path, out = save(scores, tmp_path / f"scores{ending}"), tmp_path / f"curves{ending}"
    bon_command(path, out)
    got = pl.read_csv(out) if ending == ".csv" else pl.read_parquet(out)
    assert got.columns == COLUMNS
    assert got["n"].to_list() == [1, 2, 4, 8, 12] * 2
    for row in got.iter_rows(named=True):
        groups = [group for _, group in scores.group_by("prompt")]
        alone = [best_of_n([g[row["proxy_name"]]], [g["gold"]], row["n"]) for g in groups]
        for name in ("gold", "proxy"):
            values = [getattr(point, name) for point in alone]
            assert row[name] == pytest.approx(np.mean(values), rel=1e-12)
            assert row[f"{name}_se"] == pytest.approx(np.std(values, ddof=1) / math.sqrt(4), rel=1e-9)
        assert row["kl"] == best_of_n_kl(row["n"])
        assert row["kl_exact"] == pytest.approx(np.mean([point.kl_exact for point in alone]), abs=1e-12)


def test_bon_of_a_single_prompt_has_no_standard_error_and_still_fits(tmp_path, scores):
    path = save(scores.filter(pl.col("prompt") == "01"), tmp_path / "scores.csv")
    assert bon_table(path)["gold_se"].null_count() == 10
    bon_command(path, tmp_path / "curves.csv")
    assert [row["n_points"] for row in fit_table(tmp_path / "curves.csv", "bon")] == [4, 4]


def test_grid_stops_at_the_smallest_prompt(tmp_path):
    rows = {"prompt": ["a"] * 8 + ["b"] * 9, "gold": range(17), "p": range(17)}
    table = bon_table(save(pl.DataFrame(rows), tmp_path / "s.parquet"))
    assert table["n"].to_list() == [1, 2, 4, 8]
    one = bon_table(save(pl.DataFrame({"prompt": ["a"], "gold": [1], "p": [2]}), tmp_path / "one.csv"))
    assert one.rows() == [("p", 1, 0.0, 0.0, 1.0, None, 2.0, None)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found an empty file"),
        ("prompt,gold,p\n", "found no rows"),
        ("prompt,p\na,1\n", "found no column 'gold' among 'prompt', 'p'"),
        ("gold,p\n1,1\n", "found no column 'prompt' among 'gold', 'p'"),
        ("prompt,gold\na,1\n", "found no column besides 'prompt' and 'gold'"),
        ("prompt,gold,p\na,1,2\na,nan,2\n", "column 'gold', row 2: found 'nan', expected a finite number"),
        ("prompt,gold,p\na,1,inf\n", "column 'p', row 1: found 'inf', expected a finite number"),
        ("prompt,gold,p\na,1,2\na,1,\n", "column 'p', row 2: found nothing, expected a finite number"),
        ("prompt,gold,p\n,1,2\n", "found no prompt in row 1"),
        (
            "prompt,gold,p,text\na,1,2,hello\n",
            "column 'text', row 1: found 'hello', expected a finite number",
        ),
        ("prompt,gold,p,p\na,1,2,3\n", "found the column 'p' twice"),
        (",prompt,gold,p\n0,a,1,2\n", "found no name for column 1"),
        ("prompt,gold,p\na,1,2,3\n", "could not be read"),
        (
            "prompt,gold,p\na,1,1e200\n",
            "column 'p', row 1: found '1e200', expected a finite number of size at most",
        ),
    ],
)
def test_bon_refuses_bad_scores_and_writes_nothing(tmp_path, text, message):
    path = tmp_path / "scores.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as error:
        bon_command(path, tmp_path / "curves.csv")
    assert "\n" not in str(error.value)
    assert os.listdir(tmp_path) == ["scores.csv"]


def test_refuses_files_it_cannot_read_or_write(tmp_path, scores):
    path = save(scores, tmp_path / "scores.csv")
    with pytest.raises(UserError, match="found no such file"):
        bon_command(tmp_path / "none.csv", tmp_path / "out.csv")
    with pytest.raises(UserError, match=r"found the ending '\.xlsx', expected \.csv or \.parquet"):
        bon_command(path, tmp_path / "out.xlsx")
    with pytest.raises(UserError, match=r"found the ending '\.txt'"):
        bon_table(tmp_path / "scores.txt")
    with pytest.raises(UserError, match="found no folder"):
        bon_command(path, tmp_path / "no" / "out.csv")
    (tmp_path / "bad.parquet").write_text("prompt,gold,p\n")
    with pytest.raises(UserError, match=r"bad.parquet: could not be read"):
        bon_table(tmp_path / "bad.parquet")
    (tmp_path / "bad.csv").write_bytes(b"prompt,gold,\xff\xfe\na,1,2\n")
    with pytest.raises(UserError, match=r"bad.csv: could not be read"):
        bon_table(tmp_path / "bad.csv")
    typed = save(pl.DataFrame({"prompt": ["a"], "gold": [1.0], "p": [[1.0]]}), tmp_path / "typed.parquet")
    with pytest.raises(UserError, match=r"column 'p': found type List\(Float64\), expected numbers"):
        bon_table(typed)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_fit_equals_the_library_for_each_proxy(tmp_path, scores, ending):
    curves = tmp_path / f"curves{ending}"
    bon_command(save(scores.with_columns(pl.col("gold") - 3), tmp_path / "scores.csv"), curves)
    table = pl.read_csv(curves) if ending == ".csv" else pl.read_parquet(curves)
    for form in ("bon", "rl"):
        results = fit_table(curves, form)
        assert [row["proxy_name"] for row in results] == ["fine", "coarse"]
        for row in results:
            rows = table.filter(proxy_name=row["proxy_name"])
            expected = fit(rows["kl_exact"], rows["gold"], law=form, gold_se=rows["gold_se"])
            assert list(row) == KEYS
            assert row["form"] == expected.law.name
            for key in KEYS[2:]:
                value = getattr(expected, key)
                missing = isinstance(value, float) and math.isnan(value)
                assert row[key] == (None if missing else pytest.approx(value) if key != "status" else value)


def test_fit_without_names_or_errors_is_one_curve(tmp_path):
    (row,) = fit_table(curve_file(tmp_path / "c.csv"), "bon")
    assert row["proxy_name"] is None
    assert (row["alpha"], row["beta"], row["status"]) == (pytest.approx(0.6), pytest.approx(0.12), "ok")
    assert (row["peak_kl"], row["peak_gold"]) == (pytest.approx(6.25), pytest.approx(0.75))


def test_fit_prints_valid_json_with_null_for_what_is_not(tmp_path, capsys):
    fit_command(curve_file(tmp_path / "c.csv", beta=-0.1), "bon", json=True)
    (row,) = json.loads(capsys.readouterr().out)
    assert list(row) == KEYS
    assert (row["status"], row["peak_kl"], row["peak_gold"]) == ("no_peak", None, None)


def test_fit_prints_a_table_with_the_status_explained(tmp_path, capsys):
    fit_command(curve_file(tmp_path / "c.csv", proxy_name=["small[1b]"] * 12), "bon")
    printed = capsys.readouterr().out
    for word in (
        "gold = d(α − β d)",
        "small[1b]",
        "0.6 ±",
        "0.12 ±",
        "6.25",
        "0.75",
        "ok: the peak lies within",
    ):
        assert word in printed


def test_uncentred_gold_is_flagged_and_can_be_centred(tmp_path):
    path = curve_file(tmp_path / "c.csv", offset=3.0)
    assert fit_table(path, "bon")[0]["status"] == "not_centred"
    (row,) = fit_table(path, "bon", centre=True)
    assert (row["alpha"], row["peak_gold"], row["status"]) == (pytest.approx(0.6), pytest.approx(0.75), "ok")
    (tmp_path / "no0.csv").write_text("kl,gold\n1,1\n2,2\n3,1\n")
    with pytest.raises(UserError, match="found no point at kl 0"):
        fit_table(tmp_path / "no0.csv", "bon", centre=True)


@pytest.mark.parametrize(
    ("text", "form", "message"),
    [
        ("kl,gold\n1,1\n", "log", "form: found 'log', expected 'bon' or 'rl'"),
        ("", "bon", "found an empty file"),
        ("kl,gold\n", "bon", "found no rows"),
        ("kl,silver\n1,1\n", "bon", "found no column 'gold'"),
        ("kl,gold\n1,1\n-2,1\n", "rl", "column 'kl', row 2: found -2.0, expected nats, not negative"),
        ("kl,gold\n1,NaN\n", "rl", "column 'gold', row 1: found 'NaN'"),
        ("kl,gold\n1,1\ninf,1\n", "rl", "column 'kl', row 2: found 'inf'"),
        (
            "kl,gold,gold_se\n1,1,0.1\n2,1,0\n",
            "bon",
            "column 'gold_se', row 2: found 0.0, expected more than 0",
        ),
        ("kl,gold,gold_se\n1,1,0.1\n2,1,\n", "bon", "column 'gold_se', row 2: found nothing"),
        ("kl,gold,proxy_name\n1,1,a\n2,1,\n", "bon", "column 'proxy_name', row 2: found nothing"),
    ],
)
def test_fit_refuses_bad_curves_in_one_sentence(tmp_path, text, form, message):
    path = tmp_path / "curves.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as error:
        fit_command(path, form, json=True)
    assert "\n" not in str(error.value)


def test_too_few_points_is_a_status_not_an_error(tmp_path):
    (tmp_path / "c.csv").write_text("kl,gold\n1,1\n2,1\n")
    (row,) = fit_table(tmp_path / "c.csv", "bon")
    assert (row["status"], row["alpha"], row["n_points"]) == ("too_few_points", None, 2)
