"""Gold beside its baselines: better, worse, or neither clearly, by the intervals of both."""

from dataclasses import replace

import fake_results
import numpy as np
import polars as pl
import pytest
from fake_evidence import evidence

from overopt.analysis import figure_tables
from overopt.report import figures, sentences
from overopt.report.gold_sentences import say_gold


def gold(human=(0.8, 0.7), spoilt=((0.9, 0.8),), count=1_000, **more):
    """Shares of gold and of its baseline, of pairs that people rated and of kinds of spoilt text."""
    kinds = [("human ratings", human, None), *(("looped", pair, 0.95) for pair in spoilt)]
    pairs = [
        {"kind": kind, "accuracy": own, "baseline": base, "fluency": fluency, "count": count, **more}
        for kind, (own, base), fluency in kinds
    ]
    return {"pairs": pairs, "pearson": 0.8, "pearson_baseline": 0.7, "rated_held_out": 1_000}


@pytest.mark.parametrize(
    ("human", "word"),
    [((0.8, 0.7), "better"), ((0.7, 0.8), "worse"), ((0.75, 0.76), "not clearly better or worse")],
)
def test_gold_is_said_to_be_better_only_where_it_surely_is(human, word):
    assert f": gold is {word}. Of pairs" in say_gold(gold(human))


def test_a_baseline_that_is_better_on_spoilt_text_is_said():
    said = say_gold(gold(spoilt=((0.7, 0.9), (0.9, 0.7), (0.8, 0.8))))
    assert "gold is worse for 1, better for 1, not clearly better or worse for 1 of 3 kinds" in said


def test_shares_and_correlations_have_intervals():
    said = say_gold(gold())
    assert "gold puts 80\u00a0[78,\u00a082]% in the right order" in said
    assert "(TF-IDF) puts 70\u00a0[67,\u00a073]%" in said
    assert "0.80\u00a0[0.78,\u00a0" in said


def test_few_pairs_tell_nothing():
    assert "gold is not clearly better or worse. Of pairs" in say_gold(gold(count=20))


def test_what_a_gold_lacks_is_not_said():
    gated = gold(spoilt=((0.9, None),), passes_real=0.9, passes_spoilt=0.2)
    assert "Its mean is 0.90 for real text, 0.20 for corrupted text." in say_gold(gated)
    assert "learned from such pairs" not in say_gold(gated)


def test_a_second_gold_is_said_and_drawn_for_best_of_n_too():
    def judged(table):
        second = pl.col("gold") - 0.25
        return table.with_columns(gold_second=second) if "prompts" in table.columns else table

    e = evidence(judged)
    chain = {"second_gold": {"correlation": 0.9, "correlation_within_prompts": 0.8}}
    said = sentences.say_second_gold(replace(e.results, chain=chain))
    assert "Under best-of-n, at n = 1,024, the two differ by 0.25 SDs on average." in said
    for method in ("bon", "ppo"):
        both = figure_tables.second_gold(e, method).pivot("what", index=["rm_params", "kl"], values="score")
        np.testing.assert_allclose(both["gold"] - both["second gold"], 0.25)
    assert figure_tables.second_gold(evidence(), "bon").is_empty()


def test_baselines_have_bars():
    kinds = fake_results.load().chain["gold"]["pairs"]
    chart = figures.gold_accuracy(kinds, description="Accuracy.").to_dict()
    rows = [
        row for rows in chart["datasets"].values() for row in rows if row.get("judge") == "TF-IDF baseline"
    ]
    assert len(rows) == len(kinds)
    first = rows[0]
    by_hand = (kinds[0]["baseline"] * (1 - kinds[0]["baseline"]) / kinds[0]["count"]) ** 0.5
    assert (first["high"] - first["low"]) / 2 == pytest.approx(by_hand, abs=1e-4)
