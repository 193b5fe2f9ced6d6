"""Word vectors from counts: what gold knows of words before it reads a rating.

A rating teaches what it says of words that are rated often. Counts over millions of words say which rare ones are
used alike, in seconds and without a gradient (Levy, Goldberg & Dagan 2015, "Improving distributional similarity
with lessons learned from word embeddings").
"""

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sparse
from jaxtyping import Float, Int
from sklearn.utils.extmath import randomized_svd

WINDOW = 4  # tokens on each side that are a token's context, weighted by 1 / distance
SMOOTHING = 0.75  # power of context counts: keeps rare contexts from ruling the vectors
NORM = 1.5  # length of a vector: its coordinates are then about as large as a model's other weights
LABEL_SHARE = 0.5  # weight of the label's coordinate beside it
PRIOR = 5.0  # added to counts by label: a token seen twice says little


def word_vectors(
    rows: Sequence[Sequence[int]], labels: Sequence[int], vocabulary: int, width: int
) -> Float[np.ndarray, "vocabulary width"]:
    """Vectors of every token: `width - 1` directions of its contexts, and how much it leans to label 1.

    rows: token ids of texts; labels: 0 or 1 for each of the first `len(labels)` rows (here, whether the sentence
    stands in a positive review), the rest have none. Tokens that never occur stay near 0.
    """
    matrix = ppmi(cooccurrences(rows, vocabulary))
    left, scale, _ = randomized_svd(matrix, width - 1, n_iter=3, random_state=0)
    vectors = left * np.sqrt(scale)
    vectors *= NORM / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-3)
    lean = log_odds(rows[: len(labels)], labels, vocabulary)
    return np.column_stack([vectors, LABEL_SHARE * lean]).astype(np.float32)


def cooccurrences(rows: Sequence[Sequence[int]], vocabulary: int) -> sparse.csr_array:
    """How often token j stands within `WINDOW` tokens of token i in one row, each time worth 1 / distance."""
    gap = [-1] * WINDOW  # a context does not reach into the next row
    tokens = np.concatenate([np.array([*row, *gap]) for row in rows])
    counts = sparse.csr_array((vocabulary, vocabulary), dtype=np.float32)
    for distance in range(1, WINDOW + 1):
        first, second = tokens[:-distance], tokens[distance:]
        both = (first >= 0) & (second >= 0)
        weight = np.full(both.sum(), 1 / distance, dtype=np.float32)
        counts = counts + sparse.csr_array((weight, (first[both], second[both])), counts.shape)
    return counts + counts.T


def ppmi(counts: sparse.csr_array) -> sparse.csr_array:
    """Positive pointwise mutual information, nats: max(0, log p(i, j) / (p(i) p(j))), contexts smoothed."""
    occurrences = counts.sum(1)
    context = occurrences**SMOOTHING
    context = context / context.sum()
    entries = counts.tocoo()
    information = np.log(entries.data / (occurrences[entries.row] * context[entries.col]))
    positive = information > 0
    return sparse.csr_array(
        (information[positive], (entries.row[positive], entries.col[positive])), counts.shape
    )


def log_odds(
    rows: Sequence[Sequence[int]], labels: Sequence[int], vocabulary: int
) -> Float[np.ndarray, " vocabulary"]:
    """log of how much more often a token stands in rows of label 1 than of label 0, shares of all tokens."""
    tokens: Int[np.ndarray, " tokens"] = np.concatenate([np.asarray(row) for row in rows])
    label = np.repeat(labels, [len(row) for row in rows])
    ones, zeros = (np.bincount(tokens[label == k], minlength=vocabulary) for k in (1, 0))
    return np.log((ones + PRIOR) / (zeros + PRIOR) * (zeros.sum() / ones.sum()))
