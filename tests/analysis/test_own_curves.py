"""A reader's own file becomes curves: gains over a prompt's own mean, in SDs, with intervals over what was drawn."""

import math

import numpy as np
import own_files
import polars as pl
import pytest

from overopt.analysis.own_curves import own_curves
from overopt.estimators.best_of_n import best_of_n
from overopt.estimators.tables import bon_table, fit_table
from overopt.util.errors import UserError


def saved(table, folder, name="own.csv"):
    path = folder / name
    table.write_csv(path) if path.suffix == ".csv" else table.write_parquet(path)
    return path


@pytest.mark.parametrize("name", ["own.csv", "own.parquet"])
def test_scores_become_gains_in_sds_of_all_samples(tmp_path, name):
    table = own_files.gains(prompts=5, samples=12)
    (curve,) = own_curves(saved(table, tmp_path, name))
    gold = table["gold"].to_numpy().reshape(5, 12)
    proxy = table["mine"].to_numpy().reshape(5, 12)
    assert curve.points["n"].to_list() == [1, 2, 4, 8, 12]
    assert (curve.kind, curve.name, curve.prompts, curve.samples.fewest) == ("scores", "mine", 5, 12)
    assert curve.samples.gold == (pytest.approx(gold.mean()), pytest.approx(gold.std()))
    for point in curve.points.iter_rows(named=True):
        best = best_of_n(proxy, gold, point["n"])
        gains = (best.gold_by_prompt - gold.mean(axis=1)) / gold.std()
        assert point["gold"] == pytest.approx(gains.mean(), abs=1e-12)
        assert point["gold_se"] == pytest.approx(gains.std(ddof=1) / math.sqrt(5), abs=1e-12)
        assert point["kl"] == best.kl


def test_the_level_of_a_prompt_is_no_noise(tmp_path):
    table = own_files.gains()
    shift = table["prompt"].str.slice(1).cast(pl.Float64)
    (plain,) = own_curves(saved(table, tmp_path))
    (shifted,) = own_curves(saved(table.with_columns(pl.col("gold") + shift * 100), tmp_path))
    ratio = shifted.samples.gold[1] / plain.samples.gold[1]
    assert ratio > 50
    for column in ("gold", "gold_se", "below_top_se"):
        assert np.allclose(shifted.column(column) * ratio, plain.column(column), atol=1e-9)


def test_a_fall_is_compared_within_prompts(tmp_path):
    (curve,) = own_curves(saved(own_files.gains(hacked=0.05), tmp_path))
    top = int(curve.column("gold").argmax())
    assert 0 < top < curve.points.height - 1
    assert curve.column("below_top_se")[top] == 0
    last, se = curve.column("gold_se")[-1], curve.column("below_top_se")[-1]
    assert 0 < se < 1.5 * last


def test_ties_are_counted(tmp_path):
    table = pl.DataFrame({"prompt": ["a"] * 4 + ["b"] * 4, "gold": range(8), "p": [1, 1, 2, 3, 4, 5, 6, 7]})
    (curve,) = own_curves(saved(table, tmp_path))
    assert curve.samples.ties == 0.25


@pytest.mark.parametrize("form", ["bon", "rl"])
def test_curves_agree_with_the_command_fit(tmp_path, form):
    saved(own_files.gains(hacked=0.05), tmp_path, "scores.csv")
    path = saved(bon_table(tmp_path / "scores.csv"), tmp_path)
    (curve,), (row,) = own_curves(path, form), fit_table(path, form, centre=True)
    fit = curve.law.fit
    assert (row["alpha"], row["beta"], row["alpha_se"]) == (fit.alpha, fit.beta, fit.alpha_se)
    assert row["status"] == fit.status
    assert curve.start == pytest.approx(bon_table(tmp_path / "scores.csv")["gold"][0])
    assert curve.name == "mine"
    assert not curve.in_sds


def test_policies_are_sorted_by_kl_and_named(tmp_path):
    (curve,) = own_curves(saved(own_files.policies().sample(fraction=1, shuffle=True, seed=1), tmp_path))
    assert curve.points["label"].to_list() == own_files.POLICIES
    assert (curve.kind, curve.law.fit.law.name, curve.prompts, curve.in_sds) == ("policies", "rl", 64, True)
    assert (curve.law.fit.alpha, curve.law.fit.beta) == (pytest.approx(0.9), pytest.approx(0.5))
    low, high = curve.law.peak_kl
    assert low < math.exp(2 * (0.9 / 0.5 - 1)) < high
    assert curve.points["n"].null_count() == curve.points.height


def test_one_prompt_has_no_intervals(tmp_path):
    (curve,) = own_curves(saved(own_files.gains(prompts=1), tmp_path))
    assert curve.points["gold_se"].null_count() == curve.points.height
    assert math.isnan(curve.law.turns_down)
    assert not math.isnan(curve.law.fit.alpha)


def test_best_of_n_without_errors_has_no_intervals(tmp_path):
    """Its points share their samples: that they lie smoothly says nothing."""
    table = own_files.curve_of("bon", 0.6, 0.15)
    with_n = table.drop("gold_se").with_columns(n=pl.Series(range(1, 9)))
    assert math.isnan(own_curves(saved(with_n, tmp_path))[0].law.turns_down)
    assert own_curves(saved(table.drop("gold_se"), tmp_path), "bon")[0].law.turns_down == 1


def test_policies_judged_on_one_prompt_have_no_intervals(tmp_path):
    table = own_files.policies().drop("gold_se").with_columns(prompts=pl.lit(1))
    assert math.isnan(own_curves(saved(table, tmp_path))[0].law.turns_down)
    assert own_curves(saved(table.with_columns(prompts=pl.lit(2)), tmp_path))[0].law.turns_down == 1


def test_one_sample_a_prompt_is_a_curve_of_one_point(tmp_path):
    (curve,) = own_curves(saved(own_files.gains(prompts=4, samples=1), tmp_path))
    assert (curve.far, curve.law.fit.status) == (0.0, "too_few_points")


@pytest.mark.parametrize(
    ("table", "form", "message"),
    [
        ({"a": [1]}, "", "found the columns 'a', expected 'prompt' .* or 'kl'"),
        ({"kl": [1], "gold": [1]}, "", "found neither a column 'n' .* nor 'policy', expected one, or --form"),
        ({"kl": [1], "gold": [1]}, "cubic", "form: found 'cubic', expected 'bon' or 'rl'"),
        ({"prompt": ["a", "a"], "gold": [1, 1], "p": [1, 2]}, "", "column 'gold': found one score for all"),
        ({"prompt": ["a", "a"], "gold": [1, 2], "p": [1, 1]}, "", "column 'p': found one score for all"),
        ({"kl": [1, 2], "gold": [1, 2], "policy": ["a", "b"], "proxy": [1.0, None]}, "", "'proxy', row 2: found"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(tmp_path, table, form, message):
    with pytest.raises(UserError, match=message) as error:
        own_curves(saved(pl.DataFrame(table), tmp_path), form)
    assert "\n" not in str(error.value)
