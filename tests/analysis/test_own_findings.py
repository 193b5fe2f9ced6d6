"""Whether a curve falls, turns, rises or does nothing, on curves of which it is known."""

import doctest
import math

import numpy as np
import own_files
import polars as pl
import pytest

from overopt.analysis import own_findings
from overopt.analysis.own_curves import own_curves
from overopt.analysis.own_findings import Shape, errors, found, n_of_kl
from overopt.estimators.best_of_n import best_of_n_kl


def of(table, folder, form=""):
    table.write_csv(folder / "own.csv")
    (curve,) = own_curves(folder / "own.csv", form)
    return curve, found(curve)


def straight(slope, **columns):
    kl = own_files.KL
    return pl.DataFrame(
        {"policy": own_files.POLICIES, "kl": kl, "gold": slope * np.sqrt(kl), "gold_se": [0.05] * 8} | columns
    )


@pytest.mark.parametrize(
    ("table", "shape"),
    [
        (own_files.policies(), Shape.FALLS),
        # the peak, 11.3 nats, is inside; the fall after it is 0.07, 2.4 standard errors
        (own_files.policies(0.9, 0.407), Shape.TURNS),
        (own_files.policies(0.9, 0.407)[:-1], Shape.TURNS_LATER),
        (own_files.policies(0.9, 0.3), Shape.TURNS_LATER),
        (straight(0.3), Shape.RISES),
        (straight(0.0), Shape.USELESS),
        (straight(-0.3), Shape.HARMS),
        (own_files.policies(kl=own_files.KL[:3]), Shape.UNKNOWN),
    ],
    ids=lambda value: value.name if isinstance(value, Shape) else "",
)
def test_the_shape_of_a_known_curve(tmp_path, table, shape):
    assert of(table, tmp_path)[1].shape is shape


def test_gold_that_levels_off_is_not_called_overoptimised(tmp_path):
    """The law fits, and turns down before the end, where the points do not."""
    gold = own_files.LAWS["rl"].gold(own_files.KL, 0.9, 0.407)
    table = own_files.policies().with_columns(gold=np.maximum.accumulate(gold))
    curve, finding = of(table, tmp_path)
    assert curve.law.peak_kl[1] < curve.far
    assert finding.shape is Shape.LEVELS
    assert not finding.stop.by_law


def test_a_hacked_proxy_falls_and_an_honest_one_rises(tmp_path):
    assert of(own_files.gains(hacked=0.08), tmp_path)[1].shape is Shape.FALLS
    assert of(own_files.gains(), tmp_path)[1].shape is Shape.RISES


def test_noise_is_seldom_taken_for_a_fall_or_a_turn(tmp_path):
    """Gold of a proxy that is right and noisy never turns: of 40 files, few may say so, whatever the number of prompts."""
    for prompts in (3, 25):
        shapes = [
            of(own_files.gains(prompts, samples=16, noise=2.0, seed=seed), tmp_path)[1].shape
            for seed in range(40)
        ]
        assert sum(shape in (Shape.FALLS, Shape.HARMS) for shape in shapes) <= 2


def test_the_stop_is_the_peak_of_a_law_that_fits(tmp_path):
    curve, finding = of(own_files.policies(), tmp_path)
    assert finding.stop.by_law
    assert finding.stop.kl == pytest.approx(math.exp(2 * (0.9 / 0.5 - 1)))  # 4.95 nats
    assert curve.points["label"][finding.stop.point] == "dpo-4"  # at 4 nats
    assert finding.misfit == 0


def test_a_law_that_does_not_fit_is_not_believed(tmp_path):
    table = own_files.policies().with_columns(
        gold=pl.when(pl.col("kl") > 8).then(-1.0).otherwise(pl.col("kl").sqrt() * 0.3)
    )
    curve, finding = of(table, tmp_path)
    assert finding.shape is Shape.FALLS
    assert finding.misfit > own_findings.MISFIT
    assert not finding.stop.by_law
    assert curve.points["kl"][finding.stop.point] == finding.stop.kl == 8


def test_where_gold_only_rises_the_farthest_point_stands(tmp_path):
    curve, finding = of(straight(0.3), tmp_path)
    assert finding.stop.point == curve.points.height - 1
    assert not finding.stop.by_law


@pytest.mark.parametrize("slope", [0.0, -0.3])
def test_nothing_is_gained_by_going(tmp_path, slope):
    assert of(straight(slope), tmp_path)[1].stop.kl == 0


def test_the_first_point_that_is_as_good_as_the_highest(tmp_path):
    gold = [0.0, 0.5, 0.97, 1.0, 0.99, 0.6, 0.5, 0.4]
    curve, finding = of(straight(0.3).with_columns(gold=pl.Series(gold)), tmp_path)
    assert (finding.top, finding.enough) == (3, 2)
    assert curve.column("below_top_se")[2] == pytest.approx(0.05 * math.sqrt(2))


def test_few_prompts_ask_for_more_standard_errors(tmp_path):
    few, _ = of(own_files.gains(prompts=3), tmp_path)
    many, _ = of(own_files.gains(prompts=500, samples=4), tmp_path)
    assert errors(few, 2.0) == pytest.approx(
        4.53, abs=0.01
    )  # Student's t, 2 degrees of freedom, one-sided 0.0228
    assert errors(many, 2.0) == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize("n", [1, 2, 3, 10, 1000, 60_000])
def test_n_and_kl_are_inverse(n):
    assert n_of_kl(best_of_n_kl(n)) == n


def test_the_example_runs():
    assert doctest.testmod(own_findings).failed == 0
