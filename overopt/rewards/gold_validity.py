"""How well gold judges what it was not trained on, beside linear models on word weights."""

from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float
from scipy.stats import pearsonr
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_predict

from overopt.models.samples import Samples
from overopt.rewards.gated_gold import GatedGold
from overopt.util.seeds import derive


def rating_validity(
    scores: Float[np.ndarray, " texts"], ratings: pl.DataFrame, *, seed: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Agreement of `scores` of the test texts with their human ratings, and of TF-IDF ridge regression on the same split.

    Returns Pearson correlations with the mean rating (all texts, and movie reviews alone), and the accuracy on
    random pairs of held-out texts whose mean ratings differ.
    """
    parts = {split: ratings.filter(pl.col("split") == split) for split in ("train", "validation", "test")}
    truth = {split: part["rating"].to_numpy() for split, part in parts.items()}
    vectoriser = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    features = vectoriser.fit_transform(parts["train"]["text"])
    validation = vectoriser.transform(parts["validation"]["text"])
    fitted = [Ridge(alpha=alpha).fit(features, truth["train"]) for alpha in (0.1, 0.3, 1.0, 3.0)]
    best = max(fitted, key=lambda ridge: pearsonr(ridge.predict(validation), truth["validation"])[0])
    linear = best.predict(vectoriser.transform(parts["test"]["text"]))
    y = truth["test"]
    movie = parts["test"]["source"].to_numpy() == "movieReviewSnippets"
    i, j = (
        np.random.default_rng(derive(seed, "rated pairs"))
        .permutation(len(y))[: len(y) // 2 * 2]
        .reshape(2, -1)
    )
    i, j = i[y[i] != y[j]], j[y[i] != y[j]]
    right = {name: (p[i] > p[j]) == (y[i] > y[j]) for name, p in {"gold": scores, "linear": linear}.items()}
    report = {
        "rated_held_out": len(y),
        "pearson": float(pearsonr(scores, y)[0]),
        "pearson_baseline": float(pearsonr(linear, y)[0]),
        "pearson_movie": float(pearsonr(scores[movie], y[movie])[0]),
        "pearson_movie_baseline": float(pearsonr(linear[movie], y[movie])[0]),
    }
    return report, _accuracy("human ratings", right["gold"], right["linear"])


def gate_validity(kind: str, gold: GatedGold, real: Samples, spoilt: Samples) -> dict[str, Any]:
    """How often gold scores a real text above its corrupted twin, on held-out pairs of one kind.

    fluency: how often its gate alone does; passes_real and passes_spoilt: how surely the gate takes either for language, on
    average.
    """
    parts = [gold.judged(samples, batch=256) for samples in (real, spoilt)]
    scores, passes = [gold.gold(part) for part in parts], [part.passes(gold.gates["gold"]) for part in parts]
    report = _accuracy(kind, (scores[0] > scores[1]).numpy(), None)
    return report | {
        "fluency": (passes[0] > passes[1]).double().mean().item(),
        "passes_real": passes[0].double().mean().item(),
        "passes_spoilt": passes[1].double().mean().item(),
    }


def _accuracy(kind: str, gold: np.ndarray, linear: np.ndarray | None) -> dict[str, Any]:
    share = float(gold.mean())
    error = (share * (1 - share) / len(gold)) ** 0.5
    return {
        "kind": kind,
        "accuracy": share,
        "accuracy_se": error,
        "baseline": None if linear is None else float(linear.mean()),
        "count": len(gold),
        "fluency": None,
    }


def bag_of_words_r2(texts: list[str], scores: Float[np.ndarray, " texts"]) -> float:
    """Share of the variance of `scores` that word counts explain: five-fold ridge regression, held-out R squared."""
    features = CountVectorizer(min_df=2).fit_transform(texts)
    predicted = cross_val_predict(Ridge(alpha=10.0), features, scores, cv=5)
    return float(1 - ((scores - predicted) ** 2).mean() / scores.var())
