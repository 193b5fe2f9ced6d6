"""The world `reviews`: how text is cut and compared, and that nothing stands on two sides of a split."""

from itertools import combinations

import polars as pl
import pytest

from overopt.data import reviews
from overopt.data.reviews import PROMPT_SPLITS, REVIEW_SPLITS, normalise, prompts, split_into_sentences

pytestmark = pytest.mark.xdist_group("data")  # one process reads it
SEED, WORDS = 0, 4


@pytest.fixture(scope="module")
def world():
    """The real data, from the cache."""
    return reviews.load_reviews(SEED)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("It's GOOD!", "its good"),
        ("A  café, 10/10", "a cafe 10 10"),
        ("ﬁne", "fine"),
        ("well-made...", "WELL MADE"),
    ],
)
def test_texts_that_differ_in_case_and_marks_only_are_the_same(one, other):
    assert normalise(one) == normalise(other) != ""


def test_texts_that_differ_in_a_letter_or_digit_are_not_the_same():
    assert len({normalise(text) for text in ("it is 1", "it is 2", "it was 1", "漢字")}) == 4
    assert normalise(" ?! --") == ""


def test_reviews_are_cut_where_sentences_end():
    review = (
        "The first one is long enough.  The second\tone costs 3.5 stars, etc. and so on!<br /><br />"
        "Was the third one a question? It surely was... Too short. No mark at the end of the last"
    )
    assert split_into_sentences(review) == [
        "The first one is long enough.",
        "The second one costs 3.5 stars, etc. and so on!",
        "Was the third one a question?",
        "No mark at the end of the last",
    ]


def test_sentences_have_20_to_250_characters():
    at = {n: "A" + "b" * (n - 2) + "." for n in (19, 20, 250, 251)}
    assert split_into_sentences(" ".join(at.values())) == [at[20], at[250]]
    assert split_into_sentences("") == []


def test_prompts_are_the_first_words_of_sentences_that_go_on():
    rows = [
        ("one two three four five six seven", "evaluation"),
        ("One two, three four and something else", "pairs"),  # the same prompt: it belongs to evaluation
        ("too short to go on further", "pairs"),
        ("only in the pairs there is this", "pairs"),
    ]
    table = pl.DataFrame(rows, schema=["text", "split"], orient="row")
    assert prompts(table, "evaluation", WORDS, SEED)["prompt"].to_list() == ["one two three four"]
    found = prompts(table, "pairs", WORDS, SEED)
    assert found.rows() == [("only in the pairs", "only in the pairs there is this")]
    with pytest.raises(ValueError, match="prompts: found split 'language_model', expected one of evaluation"):
        prompts(table, "language_model", WORDS, SEED)


def test_the_ratings_are_those_that_were_published():
    found = pl.DataFrame(reviews._read_ratings(), schema=["text", "source", "votes"], orient="row")
    words = found["source"] == "words"
    assert found.filter(words)["text"].str.contains(r"^\p{Alphabetic}+$").all()
    found = found.filter(~words)
    assert dict(found["source"].value_counts().rows()) == {
        "movieReviewSnippets": 10_605,
        "nytEditorialSnippets": 5_190,
        "tweets": 4_200,
        "amazonReviewSnippets": 3_708,
    }
    votes = found["votes"].explode()
    assert len(votes) == 536_520
    assert (votes.min(), votes.max()) == (-4, 4)
    assert found["text"].str.contains("ï»¿").sum() == 0


def test_no_text_stands_in_two_splits(world):
    sentences = {
        split: set(map(normalise, world.sentences.filter(pl.col("split") == split)["text"]))
        for split in REVIEW_SPLITS
    }
    ratings = {
        f"ratings {split}": set(map(normalise, world.ratings.filter(pl.col("split") == split)["text"]))
        for split in ("train", "validation", "test")
    }
    assert sum(map(len, sentences.values())) == len(world.sentences)  # nor twice in one
    assert sum(map(len, ratings.values())) == len(world.ratings)
    for one, other in combinations(sentences, 2):
        assert not sentences[one] & sentences[other], (one, other)
    for one, other in combinations(ratings, 2):
        assert not ratings[one] & ratings[other], (one, other)
    for held_out in ("ratings validation", "ratings test"):
        for split in sentences:
            assert not ratings[held_out] & sentences[split], (held_out, split)


def test_no_review_serves_two_uses(world):
    uses = world.sentences.group_by("review").agg(pl.col("split").n_unique())
    assert uses["split"].max() == 1
    shares = dict(world.sentences["split"].value_counts(normalize=True).rows())
    assert shares == pytest.approx(REVIEW_SPLITS, abs=0.01)


def test_no_prompt_serves_two_uses(world):
    keys = {
        split: list(map(normalise, prompts(world.sentences, split, WORDS, SEED)["prompt"]))
        for split in PROMPT_SPLITS
    }
    for split, found in keys.items():
        assert len(found) == len(set(found)) > 1000, split
    for one, other in combinations(keys, 2):
        assert not set(keys[one]) & set(keys[other]), (one, other)


def test_ratings_are_means_of_about_twenty_people(world):
    ratings = world.ratings
    assert ratings["rating"].is_between(-4, 4).all()
    assert ratings["rating_sd"].is_between(0, 4).all()
    assert set(ratings.filter(pl.col("source") == "words")["split"]) == {"train"}
    ratings = ratings.filter(pl.col("source") != "words")
    assert len(ratings) > 23_000
    assert dict(ratings["split"].value_counts(normalize=True).rows()) == pytest.approx(
        reviews.RATING_SPLITS, abs=0.001
    )
    assert ratings["raters"].min() >= 15
    assert ratings["raters"].mean() > 19


def test_the_splits_hang_on_the_seed(world):
    rated = reviews._read_ratings()
    again, other = (reviews._split_ratings(rated, seed) for seed in (SEED, SEED + 1))
    assert again.equals(world.ratings)
    assert not other["split"].equals(again["split"]) or not other["text"].equals(again["text"])
    one, two = (prompts(world.sentences, "evaluation", WORDS, seed)["prompt"] for seed in (0, 1))
    assert not one.equals(two)
    assert sorted(one) == sorted(two)
