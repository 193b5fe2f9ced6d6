"""Choices on other seeds and prompts: against a maximum that is luck, and against answers known by hand."""

from dataclasses import replace

import fake_evidence
import numpy as np
import polars as pl
import pytest

from overopt.analysis import held_out, method_worlds
from overopt.analysis.method_runs import Method, MethodRuns, Run, Variant, method_of, setting_of
from overopt.analysis.method_worlds import TURNING
from overopt.analysis.resampled import interval

PLAIN = Method("bon", "single", "", False)


def variant(golds, setting="", method=PLAIN, seeds=None):
    """Runs by seed; golds: [seeds, points, prompts], at sqrt(KL) 0, 1, 2 ..."""
    place = np.arange(golds.shape[1], dtype=float)
    kl = np.repeat(place[:, None] ** 2, golds.shape[2], axis=1)
    runs = {
        k: Run(place, kl, gold, {"kl": kl[-1], "gold": gold[-1]})
        for k, gold in zip(seeds or range(len(golds)), golds, strict=True)
    }
    return Variant(method, setting, 0.0, pl.DataFrame(), runs)


def test_noise_alone_has_no_highest_point():
    rng = np.random.default_rng(0)
    best, naive = [], []
    for _ in range(60):
        settings = [variant(rng.normal(size=(4, 12, 8)), f"{k}") for k in range(5)]
        best.append(held_out.held_out(settings).gold.mean())
        naive.append(max(run.gold.mean(1).max() for each in settings for run in each.runs.values()))
    assert abs(np.mean(best)) < 3 * np.std(best) / np.sqrt(60)
    assert np.mean(naive) > 0.5  # what the same noise gives to who looks for its highest point


def test_a_seed_is_judged_by_what_the_others_chose():
    golds = np.zeros((3, 3, 4))
    golds[:, 1] = 1.0  # all but one are highest at place 1
    golds[2, 2] = 9.0
    found = held_out.held_out([variant(golds)])
    # for seed 0 and 1, seed 2's 9 at place 2 is among the others; for seed 2 it is not
    assert found.gold.tolist() == [[0.0] * 4, [0.0] * 4, [1.0] * 4]
    assert found.kl[:, 0].tolist() == [4.0, 4.0, 1.0]
    assert found.fall().tolist() == [[0.0] * 4, [0.0] * 4, [-8.0] * 4]


def test_a_setting_is_chosen_by_the_others_and_by_its_aim():
    high, level = np.zeros((3, 3, 4)), np.full((3, 3, 4), 0.5)
    high[:, 1] = 1.0
    both = [variant(high, "high"), variant(level, "level")]
    by_top, by_end = held_out.held_out(both), held_out.held_out(both, aim="end")
    assert (by_top.settings, by_end.settings) == ({"high": 6}, {"level": 6})
    assert (by_top.gold == 1).all()
    assert (by_end.gold == 0.5).all()
    assert (by_top.end == 0).all()
    assert held_out.best_on_all(both).setting == "high"
    assert held_out.held_out([]) is None


def test_of_one_seed_the_other_half_of_the_prompts_chooses():
    golds = np.zeros((1, 3, 4))
    golds[0, 1, ::2] = 1.0  # even prompts are highest at place 1, odd ones at place 2
    golds[0, 2, 1::2] = 1.0
    assert held_out.held_out([variant(golds)]).gold.tolist() == [[0.0] * 4]
    assert held_out.held_out([variant(golds[:, :, :1])]).gold.tolist() == [[1.0]]  # nothing to leave out


def test_gold_at_a_kl_is_that_of_the_first_time_there():
    run = Run(
        np.array([0.0, 1.0, 2.0, 3.0]),
        np.array([[0.0], [4.0], [1.0], [5.0]]),
        np.array([[0.0], [2.0], [7.0], [3.0]]),
        {},
    )
    assert run.gold_at_kl(1.0) == pytest.approx(1.0)
    assert run.gold_at_kl(4.0) == pytest.approx(2.0)
    assert np.isnan(run.gold_at_kl(6.0)).all()


def test_an_ensemble_is_paired_with_its_members():
    alone = variant(np.arange(4.0)[:, None, None] * np.ones((4, 2, 3)))
    joined = variant(np.full((2, 2, 3), 5.0), method=Method("bon", "mean of 2", "", False))
    one, other = held_out.held_out([joined]), held_out.held_out([alone])
    assert held_out.paired(one, other).tolist() == [[4.5] * 3, [2.5] * 3]
    assert held_out.paired(other, other).tolist() == np.zeros((4, 3)).tolist()
    elsewhere = held_out.held_out([variant(np.zeros((1, 2, 3)), seeds=[7])])
    assert held_out.paired(elsewhere, other) is None


def test_ensembles_whose_members_were_not_run_alone_are_compared_with_those_that_were():
    """Three ensembles, and single runs of some members: of the first, of one each, of too few."""
    joined = held_out.held_out(
        [
            variant(
                np.arange(3.0)[:, None, None] * np.ones((3, 2, 3)),
                method=Method("ppo", "mean of 5", "", False),
            )
        ]
    )

    def less(golds, seeds):
        """What is taken from the ensembles 0, 1 and 2."""
        single = variant(np.array(golds)[:, None, None] * np.ones((len(golds), 2, 3)), seeds=seeds)
        return (np.arange(3.0) - held_out.paired(joined, held_out.held_out([single]))[:, 0]).tolist()

    assert less([0.1, 0.2, 0.3, 0.5], [0, 4, 6, 14]) == pytest.approx([0.15, 0.3, 0.5])  # of each some
    assert less([0.1, 0.2, 0.6], [0, 1, 2]) == pytest.approx([0.1, 0.2, 0.6])  # of the first alone
    assert less([0.1, 0.2, 0.6, 0.3], [0, 1, 2, 3]) == pytest.approx([0.2, 0.2, 0.6])
    assert less([0.1, 0.2], [0, 1]) == pytest.approx([0.1, 0.2, 0.1])


def test_the_interval_of_ensembles_less_single_runs_knows_how_both_vary():
    """Of three ensembles and the runs of three members of the first, against the variance in closed form."""
    rng, found = np.random.default_rng(2), []
    for _ in range(200):
        single = variant(rng.normal(size=(3, 1, 1)) * np.ones((3, 2, 4)))
        joined = variant(
            0.5 * rng.normal(size=(3, 1, 1)) * np.ones((3, 2, 4)),
            method=Method("ppo", "worst of 5", "", False),
        )
        apart = held_out.paired(held_out.held_out([joined]), held_out.held_out([single]))
        found.append(held_out.drawn(apart)[1].var())
    assert np.mean(found) == pytest.approx((1 + 0.25) / 3, rel=0.2)


@pytest.mark.parametrize("seeds", [2, 4])
def test_draws_vary_as_the_mean_does(seeds):
    """The mean of seeds x prompts with an effect of each, against its variance in closed form."""
    rng = np.random.default_rng(1)
    found = [
        held_out.drawn(0.5 * rng.normal(size=(seeds, 1)) + rng.normal(size=(1, 40)))[1].var()
        for _ in range(200)
    ]
    assert np.mean(found) == pytest.approx(0.25 / seeds + 1 / 40, rel=0.2)


def test_methods_are_told_apart_by_their_columns():
    row = {"method": "ppo", "ensemble": "single", "setting": "", "kl_penalty": 0.0}
    assert method_of(row).plain
    assert method_of(row | {"setting": "adaptive 2e-2"}) == Method("ppo", "single", "adaptive", False)
    assert not method_of(row | {"kl_penalty": 0.1}).plain
    grpo = method_of(row | {"method": "grpo", "setting": "GRPO 4", "kl_penalty": 0.1})
    assert (grpo.label, grpo.kind, grpo.plain) == ("GRPO, KL penalty", "GRPO", False)
    assert method_of(row | {"setting": "clip 2"}).label == "PPO, clip"
    assert method_of(row | {"ensemble": "worst of 5"}).members_of(1) == range(5, 10)
    assert setting_of(row | {"setting": "clip 2", "kl_penalty": 0.1}) == "clip 2, penalty 0.1"
    assert setting_of(row) == ""


def test_a_run_that_comes_back_ends_where_it_ends():
    """Not where it was farthest, which is the last of its places; n or step says which point is the last."""
    results = method_worlds.draw(TURNING, fake_evidence.evidence().results)
    rows = [
        {"record": "ppo, back", "n": None, "step": step, "prompt": prompt, "kl": kl, "gold": gold + prompt}
        for step, kl, gold in ((0, 0.0, 0.0), (9, 4.0, 1.25), (4, 9.0, 1.5))
        for prompt in (0, 1)
    ]
    like = results.curves.filter(method="ppo", kl_penalty=0.0, ensemble="single", seed=0)
    curves = like.head(3).with_columns(record=pl.lit("ppo, back"))
    by_prompt = pl.DataFrame(rows, schema_overrides={"n": pl.Int64}).with_columns(proxy=0.0)
    runs = MethodRuns(replace(results, curves=curves, by_prompt=by_prompt))
    (only,) = runs.plain("ppo")
    run = only.runs[0]
    assert run.place.tolist() == [0.0, 3.0]
    assert (run.end["kl"].tolist(), run.end["gold"].tolist()) == ([4.0, 4.0], [1.25, 2.25])
    for aim in ("highest", "end"):
        assert held_out.held_out([only], aim=aim).end.tolist() == [[1.25, 2.25]]
    found = held_out.held_out([only], aim="end")
    assert (found.gold.tolist(), found.kl.tolist()) == ([[1.25, 2.25]], [[4.0, 4.0]])


def test_runs_are_gathered_by_method_and_setting():
    results = method_worlds.draw(TURNING, fake_evidence.evidence().results)
    runs = MethodRuns(results)
    assert (runs.rm_params, runs.pairs) == (10_000, 5_000)
    assert len(runs.variants) == len(method_worlds.arms())
    assert [method.label for method in runs.methods()][:2] == ["best-of-n", "best-of-n, mean of 5"]
    assert [v.setting for v in runs.of(lambda m: m.method == "dpo")] == [
        "β 0.05, 4 passes",
        "β 0.5, 4 passes",
    ]
    assert runs.noises() == [0.0, method_worlds.NOISE]
    assert [v.by_step for v in runs.of(lambda m: m.method == "ppo" and m.ensemble == "single")] == [
        False,
        True,
        True,
    ]
    (bon,) = runs.plain("bon")
    assert len(bon.runs) == method_worlds.BON_SEEDS


def test_a_table_without_settings_is_of_runs_as_a_study_has_them():
    runs = MethodRuns(fake_evidence.evidence().results)
    assert [method.label for method in runs.methods()] == ["best-of-n", "PPO"]
    assert runs.plain("soft_bon") == []
    found = fake_evidence.evidence().results
    assert MethodRuns(replace(found, curves=found.curves.clear())).variants == []


def test_an_interval_of_three_seeds_holds_the_truth_about_eight_times_in_ten():
    """As the page on what helps says; many seeds hold it as often as they should."""
    rng = np.random.default_rng(0)

    def coverage(seeds):
        hits = []
        for _ in range(400):
            values = rng.standard_normal((seeds, 1)) + 0.1 * rng.standard_normal((seeds, 40))
            low, high = interval(held_out.drawn(values)[1])
            hits.append(low < 0 < high)
        return np.mean(hits)

    assert 0.75 < coverage(3) < 0.86
    assert 0.9 < coverage(15) < 0.98
