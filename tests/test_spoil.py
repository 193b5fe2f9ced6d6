"""Spoilt sentences keep their prompt and break the rest in the way that their kind says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overopt.spoil import SPOILT_KINDS, spoil

word = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=4)
sentences = st.lists(word, min_size=7, max_size=20).map(" ".join)  # a prompt of 4 words goes on for 3 or more


@settings(max_examples=100, deadline=None)
@given(
    sentences,
    st.lists(word, min_size=1, max_size=9).map(" ".join),
    st.sampled_from(SPOILT_KINDS),
    st.integers(0, 9),
)
def test_the_prompt_stays_and_the_same_seed_gives_the_same_text(sentence, other, kind, seed):
    texts = [spoil(sentence, 4, kind, other, rng=np.random.default_rng(seed)) for _ in range(2)]
    assert texts[0] == texts[1]
    assert texts[0].split()[:4] == sentence.split()[:4]
    assert len(texts[0].split()) > 4


@settings(max_examples=60, deadline=None)
@given(sentences, st.integers(0, 9))
def test_shuffled_has_the_same_words(sentence, seed):
    spoilt = spoil(sentence, 4, "shuffled", "", rng=np.random.default_rng(seed))
    assert sorted(spoilt.split()) == sorted(sentence.split())


def test_shuffled_changes_the_order():
    sentence = " ".join(map(str, range(14)))
    assert spoil(sentence, 4, "shuffled", "", rng=np.random.default_rng(0)) != sentence


@settings(max_examples=60, deadline=None)
@given(sentences, st.integers(0, 9))
def test_looped_repeats_a_run_of_one_to_four_words(sentence, seed):
    rest = sentence.split()[4:]
    got = spoil(sentence, 4, "looped", "", rng=np.random.default_rng(seed)).split()[4:]
    assert len(rest) <= len(got) < len(rest) + 12

    def is_loop(size):
        runs = [rest[start : start + size] for start in range(len(rest) - size + 1)]
        return any(got == (run * len(got))[: len(got)] for run in runs)

    assert any(is_loop(size) for size in range(1, min(4, len(rest)) + 1))


@settings(max_examples=60, deadline=None)
@given(sentences, sentences, st.integers(0, 9))
def test_spliced_breaks_off_and_ends_as_the_other_sentence_does(sentence, other, seed):
    rest, tail = sentence.split()[4:], other.split()
    got = spoil(sentence, 4, "spliced", other, rng=np.random.default_rng(seed)).split()[4:]
    assert any(
        got == rest[:head] + tail[start:] for head in range(1, len(rest)) for start in range(1, len(tail))
    )


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind of spoiling: found 'burnt', expected one of shuffled"):
        spoil("a b c d e f g", 4, "burnt", "h", rng=np.random.default_rng(0))
