"""Word vectors from counts, against slow counts and against what they are for."""

import math

import numpy as np
import pytest

from overopt.data.word_vectors import (
    LABEL_SHARE,
    NORM,
    PRIOR,
    SMOOTHING,
    WINDOW,
    cooccurrences,
    log_odds,
    ppmi,
    word_vectors,
)

ROWS = [[1, 4, 5, 6, 2], [1, 5, 5, 7, 8, 9, 4, 2], [1, 2]]


def slow_counts(rows, vocabulary):
    counts = np.zeros((vocabulary, vocabulary))
    for row in rows:
        for i, first in enumerate(row):
            for j, second in enumerate(row):
                if i != j and abs(i - j) <= WINDOW:
                    counts[first, second] += 1 / abs(i - j)
    return counts


def test_cooccurrences_against_two_loops():
    np.testing.assert_allclose(cooccurrences(ROWS, 10).toarray(), slow_counts(ROWS, 10), rtol=1e-6)


def test_ppmi_against_its_formula():
    counts = slow_counts(ROWS, 10)
    got = ppmi(cooccurrences(ROWS, 10)).toarray()
    smoothed = counts.sum(1) ** SMOOTHING / (counts.sum(1) ** SMOOTHING).sum()
    for i in range(10):
        for j in range(10):
            expected = 0.0
            if counts[i, j]:
                expected = max(0.0, math.log(counts[i, j] / (counts[i].sum() * smoothed[j])))
            assert got[i, j] == pytest.approx(expected, abs=1e-5)


def test_log_odds_by_hand():
    got = log_odds([[3, 3, 4], [4, 5]], [1, 0], 6)
    assert got[3] == pytest.approx(math.log((2 + PRIOR) / PRIOR * 2 / 3))
    assert got[4] == pytest.approx(math.log((1 + PRIOR) / (1 + PRIOR) * 2 / 3))
    assert got[5] == pytest.approx(math.log(PRIOR / (1 + PRIOR) * 2 / 3))


def test_words_in_like_places_get_like_vectors():
    rng = np.random.default_rng(0)
    twins, others = (10, 11), (12, 13)
    rows = []
    for _ in range(400):
        for word, near in ((twins, (3, 4, 5)), (others, (6, 7, 8))):
            rows.append([1, *rng.permutation([*near, rng.choice(word), *near]).tolist(), 2])
    labels = [1, 0] * 400
    vectors = word_vectors([*rows, [1, 9, 2]], labels, 14, 6)
    assert vectors.shape == (14, 6)
    lean = log_odds(rows, labels, 14)
    np.testing.assert_allclose(vectors[:, -1], LABEL_SHARE * lean, rtol=1e-5)
    body = vectors[:, :-1] / NORM
    assert body[10] @ body[11] > 0.9
    assert body[10] @ body[12] < 0.5
    np.testing.assert_allclose(np.linalg.norm(body[10:], axis=1), 1, atol=0.01)
    assert np.abs(body[0]).max() < 1e-3  # a token that never occurs


def test_the_same_counts_give_the_same_vectors():
    rows = [[1, *np.random.default_rng(k).integers(3, 30, 12).tolist(), 2] for k in range(200)]
    first, second = (word_vectors(rows, [0, 1] * 100, 30, 8) for _ in range(2))
    assert (first == second).all()
