"""How gold is checked, on texts where the answer is known."""

import numpy as np
import polars as pl

from overopt import validity


def test_bag_of_words_explains_a_sum_over_words_and_not_their_order():
    rng = np.random.default_rng(0)
    words = [f"w{k}" for k in range(12)]
    rows = [rng.choice(words, 6) for _ in range(600)]
    texts = [" ".join(row) for row in rows]
    counted = np.array([sum(int(word[1:]) for word in row) for row in rows], dtype=float)
    first_greater = np.array([float(int(row[0][1:]) > int(row[1][1:])) for row in rows])
    assert validity.bag_of_words_r2(texts, counted) > 0.95
    assert validity.bag_of_words_r2(texts, first_greater) < 0.3


def test_rating_validity_of_a_perfect_and_of_a_reversed_judge(language_model, monkeypatch):
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

        class Scores:
            def numpy(self, sign=sign):
                return sign * truth

        scores = Scores()
        monkeypatch.setattr(validity, "score_all", lambda model, rows, found=scores: found)
        report, pairs = validity.rating_validity(language_model, table, [], seed=0)
        assert report["rated_held_out"] == 50
        assert np.isclose(report["pearson"], sign)
        assert np.isclose(report["pearson_movie"], sign)
        assert 0.5 < report["pearson_baseline"] < 1  # the sign of the rating is in the text
        assert pairs["accuracy"] == expected
        assert pairs["accuracy_se"] == 0
        assert pairs["count"] == 25
