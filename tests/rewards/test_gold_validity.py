"""How gold is checked, on texts where the answer is known."""

from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
import torch

from overopt.models.samples import Prompts, Samples
from overopt.rewards import gold_validity
from overopt.rewards.gated_gold import Gate, GatedGold, Judged
from overopt.rewards.rating import Rating


@dataclass(frozen=True)
class Judge(GatedGold):
    """Gold that is told what it says: the three tokens of a sample are its rating, likelihood and log-odds."""

    def judged(self, samples, *, batch):
        return Judged(*samples.ids.float().T, torch.zeros(len(samples), dtype=torch.bool))


@pytest.fixture
def gold(language_model, tokenizer):
    rating, gates = Rating((language_model,), tokenizer), {"gold": Gate(likelihood=5.0, real=5.0)}
    return Judge(rating, language_model, language_model, tokenizer, gates, floor=-1.0)


def said(*triples):
    """Samples of which the gold above says this."""
    ids = torch.tensor(triples)
    heads = torch.ones(len(ids), 1, dtype=torch.int64)
    return Samples(Prompts(heads, heads.bool()), ids, torch.ones_like(ids, dtype=torch.bool))


def test_bag_of_words_explains_a_sum_over_words_and_not_their_order():
    rng = np.random.default_rng(0)
    words = [f"w{k}" for k in range(12)]
    rows = [rng.choice(words, 6) for _ in range(600)]
    texts = [" ".join(row) for row in rows]
    counted = np.array([sum(int(word[1:]) for word in row) for row in rows], dtype=float)
    first_greater = np.array([float(int(row[0][1:]) > int(row[1][1:])) for row in rows])
    assert gold_validity.bag_of_words_r2(texts, counted) > 0.95
    assert gold_validity.bag_of_words_r2(texts, first_greater) < 0.3


def test_rating_validity_of_a_perfect_and_of_a_reversed_judge():
    rng = np.random.default_rng(1)
    rating = rng.normal(size=300)
    table = pl.DataFrame(
        {
            "text": [f"text {'good' if r > 0 else 'bad'} number{k}" for k, r in enumerate(rating)],
            "source": ["movieReviewSnippets", "tweets"] * 150,
            "split": ["train"] * 200 + ["validation"] * 50 + ["test"] * 50,
            "rating": rating,
        }
    )
    truth = table.filter(split="test")["rating"].to_numpy()
    for sign, expected in ((1.0, 1.0), (-1.0, 0.0)):
        report, pairs = gold_validity.rating_validity(sign * truth, table, seed=0)
        assert report["rated_held_out"] == 50
        assert np.isclose(report["pearson"], sign)
        assert np.isclose(report["pearson_movie"], sign)
        assert 0.5 < report["pearson_baseline"] < 1  # the sign of the rating is in the text
        assert pairs["accuracy"] == expected
        assert pairs["accuracy_se"] == 0
        assert pairs["count"] == 25


def test_gate_validity_counts_pairs_by_gold_and_by_the_gate(gold):
    """Sure text, 50 above both gates, beside text that is doubted by a judge, and beside better rated text."""
    real = said((3, 55, 55), (3, 55, 55), (3, 55, 55), (3, 55, 55))
    spoilt = said((9, 0, 55), (9, 55, 0), (9, 55, 55), (1, 55, 55))
    found = gold_validity.gate_validity("looped", gold, real, spoilt)
    assert (found["kind"], found["count"], found["baseline"]) == ("looped", 4, None)
    assert found["accuracy"] == 3 / 4  # all but the better rated text that passes
    assert found["accuracy_se"] == pytest.approx((3 / 4 * 1 / 4 / 4) ** 0.5)
    assert found["fluency"] == 2 / 4
    assert found["passes_real"] == pytest.approx(1)
    assert found["passes_spoilt"] == pytest.approx(2 / 4, abs=1e-6)
