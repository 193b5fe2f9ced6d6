"""How gold is checked, on texts where the answer is known."""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pytest
import torch

from overopt.rewards import gold_validity
from overopt.rewards.reviews_gold import GoldModel


@dataclass(frozen=True)
class Judge(GoldModel):
    """Gold whose scores are known."""

    scores: np.ndarray

    def score_rows(self, rows, *, batch=256):
        return torch.from_numpy(self.scores)


@pytest.fixture
def gold(language_model, tokenizer):
    return Judge((language_model,), tokenizer, language_model, tokenizer, 9, 0.0, 0.0, np.zeros(1))


def test_bag_of_words_explains_a_sum_over_words_and_not_their_order():
    rng = np.random.default_rng(0)
    words = [f"w{k}" for k in range(12)]
    rows = [rng.choice(words, 6) for _ in range(600)]
    texts = [" ".join(row) for row in rows]
    counted = np.array([sum(int(word[1:]) for word in row) for row in rows], dtype=float)
    first_greater = np.array([float(int(row[0][1:]) > int(row[1][1:])) for row in rows])
    assert gold_validity.bag_of_words_r2(texts, counted) > 0.95
    assert gold_validity.bag_of_words_r2(texts, first_greater) < 0.3


def test_rating_validity_of_a_perfect_and_of_a_reversed_judge(gold):
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
        judge = replace(gold, scores=sign * truth)
        report, pairs = gold_validity.rating_validity(judge, [], table, seed=0)
        assert report["rated_held_out"] == 50
        assert np.isclose(report["pearson"], sign)
        assert np.isclose(report["pearson_movie"], sign)
        assert 0.5 < report["pearson_baseline"] < 1  # the sign of the rating is in the text
        assert pairs["accuracy"] == expected
        assert pairs["accuracy_se"] == 0
        assert pairs["count"] == 25
