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

LOOPED = {"kind": "looped", "accuracy": 0.9, "fluency": 0.95, "passes_real": 0.9, "passes_spoilt": 0.1}
STUCK = {"kind": "stuck", "accuracy": 0.7, "fluency": 0.75, "passes_real": 0.8, "passes_spoilt": 0.3}


def gold(human=(0.8, 0.7), spoilt=(LOOPED, STUCK), count=1_000):
    """Shares of gold and of its baseline, of pairs that people rated; of gold and its gate, of kinds of spoilt text."""
    own, base = human
    rated = {"kind": "human ratings", "accuracy": own, "baseline": base, "fluency": None}
    pairs = [pair | {"count": count} for pair in (rated, *spoilt)]
    return {"pairs": pairs, "pearson": 0.8, "pearson_baseline": 0.7, "rated_held_out": 1_000}


@pytest.mark.parametrize(
    ("human", "word"),
    [((0.8, 0.7), "better"), ((0.7, 0.8), "worse"), ((0.75, 0.76), "not clearly better or worse")],
)
def test_gold_is_said_to_be_better_only_where_it_surely_is(human, word):
    assert f": by pairs gold is {word}. Of pairs" in say_gold(gold(human))


def test_shares_and_correlations_have_intervals():
    said = say_gold(gold())
    assert "gold puts 80\u00a0[78,\u00a082]% in the right order" in said
    assert "(TF-IDF) puts 70\u00a0[67,\u00a073]%" in said
    assert "0.80\u00a0[0.78,\u00a0" in said


def test_few_pairs_tell_nothing():
    assert "by pairs gold is not clearly better or worse. Of pairs" in say_gold(gold(count=20))


def test_gold_and_its_gate_are_said_of_every_kind_of_spoilt_text():
    said = say_gold(gold())
    assert "of 2 kinds, gold puts 70% to 90% in the right order" in said
    assert "Its judges of language alone put 75% to 95%." in said
    assert "Its mean is 0.85 for real text, 0.20 for spoilt text." in said


def test_a_gold_without_a_gate_is_said_by_its_ratings_alone():
    assert "gate" not in say_gold(gold(spoilt=()))
    assert "spoilt" not in say_gold(gold(spoilt=()))


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


def test_a_baseline_and_the_gate_alone_have_bars_where_they_have_a_say():
    kinds = fake_results.load().chain["gold"]["pairs"]
    chart = figures.gold_accuracy(kinds, description="Accuracy.").to_dict()
    bars = [row for rows in chart["datasets"].values() for row in rows if "judge" in row]
    rows = [row for row in bars if row["judge"] == "TF-IDF baseline"]
    assert [row["kind"] for row in rows] == ["rated by people"]
    assert sum(row["judge"] == "its judges of language alone" for row in bars) == len(kinds) - 1
    first = rows[0]
    by_hand = (kinds[0]["baseline"] * (1 - kinds[0]["baseline"]) / kinds[0]["count"]) ** 0.5
    assert (first["high"] - first["low"]) / 2 == pytest.approx(by_hand, abs=1e-4)
