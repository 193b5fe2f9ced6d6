"""Which setting of PPO is the best: by the rule, and only by it."""

import numpy as np
import polars as pl
import pytest

from overopt.analysis.ppo_sweep import LEVELS, chosen, ranking
from overopt.study.study import load_study, parse_study


def run(setting, efficiency, kl=(0.0, 0.5, 2.0, 4.0, 8.0, 12.0)):
    """A run whose efficiency is the same throughout, but where there is none to know."""
    rows = len(kl)
    return pl.DataFrame(
        {"setting": setting, "step": range(rows), "kl": kl, "proxy": np.sqrt(kl), "length": 10.0 - np.arange(rows),
         "ended": 0.9, "efficiency": [None, *([efficiency] * (rows - 1))]}
    )  # fmt: skip


def test_the_higher_efficiency_wins():
    found = ranking(pl.concat([run("a", 0.2), run("b", 0.5), run("c", 0.3)]))
    assert found["setting"].to_list() == ["b", "c", "a"]
    assert found["efficiency"].to_list() == pytest.approx([0.5, 0.3, 0.2])
    assert found[f"at_{LEVELS[0]:g}"].to_list() == pytest.approx([0.5, 0.3, 0.2])
    assert found["proxy"].to_list() == pytest.approx([3**0.5] * 3)
    assert found["ended"].to_list() == pytest.approx([0.9] * 3)


def test_a_run_that_ends_early_has_nothing_beyond():
    found = ranking(pl.concat([run("short", 0.9, kl=(0.0, 1.0, 2.5)), run("long", 0.5)]))
    assert found["setting"].to_list() == ["long", "short"]
    assert found.filter(setting="short")["efficiency"][0] == pytest.approx(0.9 * 2 / len(LEVELS))
    assert found.filter(setting="short")["at_10"][0] is None


def test_a_level_that_samples_do_not_show_counts_for_no_setting():
    better = run("better", 0.6).with_columns(efficiency=pl.when(pl.col("kl") < 9).then("efficiency"))
    found = ranking(pl.concat([better, run("worse", 0.5)]))
    assert found["setting"].to_list() == ["better", "worse"]
    assert found["efficiency"].to_list() == pytest.approx([0.6, 0.5])
    nothing = ranking(run("blind", None).cast({"efficiency": pl.Float64}))
    assert nothing["efficiency"].to_list() == [None]


def study(**changes):
    """The study `smoke` with a sweep of two settings, and these changes to its run."""
    fields = load_study("smoke").model_dump(mode="json")
    run, parts = fields["ppo"]["run"], {"model": "1k", "pairs": 640, "prompts": 12, "samples": 64}
    settings = {"slow": {}, "proxy": {"value_from": "proxy"}}
    fields["ppo_sweep"] = parts | {"run": run | {"max_kl": 12}, "settings": settings}
    return parse_study(fields | {"ppo": fields["ppo"] | {"run": run | changes}})


def test_the_setting_of_a_study_is_the_one_that_learns_as_its_runs_do():
    assert chosen(study()) == "slow"
    assert chosen(study(value_from="proxy", spacing=0.5, max_steps=50)) == "proxy"
    assert chosen(load_study("smoke")) == "plain"
    assert chosen(load_study("published")) is None
    assert chosen(load_study("pretrained-cpu")) is None


def test_a_study_that_runs_what_its_sweep_does_not_try_is_refused():
    with pytest.raises(
        ValueError, match=r"ppo\.run: found a run that ppo_sweep does not try, expected one of slow, proxy"
    ):
        study(epochs=3)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"settings": {"bad": {"epoch": 2}}}, "settings.bad: found epoch = 2"),
        ({"settings": {"bad": {"minibatch": 100}}}, "found 100, expected a divisor of batch = 256"),
        ({"model": "9k"}, "ppo_sweep.model: found '9k'"),
        ({"pairs": 10_000}, "ppo_sweep.pairs: found 10000, expected at most the 720 training pairs"),
    ],
)
def test_a_sweep_that_cannot_run_is_refused_in_a_sentence(changes, sentence):
    fields = study().model_dump(mode="json")
    with pytest.raises(ValueError, match=sentence):
        parse_study(fields | {"ppo_sweep": fields["ppo_sweep"] | changes})
