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
    st.lists(word, min_size=1, max_size=9),
    st.sampled_from(SPOILT_KINDS),
    st.integers(0, 9),
)
def test_the_prompt_stays_and_the_same_seed_gives_the_same_text(sentence, words, kind, seed):
    texts = [spoil(sentence, 4, kind, words, rng=np.random.default_rng(seed)) for _ in range(2)]
    assert texts[0] == texts[1]
    assert texts[0].split()[:4] == sentence.split()[:4]
    assert len(texts[0].split()) > 4


@settings(max_examples=60, deadline=None)
@given(sentences, st.integers(0, 9))
def test_looped_repeats_a_run_of_one_to_four_words(sentence, seed):
    rest = sentence.split()[4:]
    got = spoil(sentence, 4, "looped", [], rng=np.random.default_rng(seed)).split()[4:]
    assert len(rest) <= len(got) < len(rest) + 12

    def is_loop(size):
        runs = [rest[start : start + size] for start in range(len(rest) - size + 1)]
        return any(got == (run * len(got))[: len(got)] for run in runs)

    assert any(is_loop(size) for size in range(1, min(4, len(rest)) + 1))


@settings(max_examples=60, deadline=None)
@given(sentences, st.integers(0, 9))
def test_stuck_puts_one_to_four_phrases_in_the_place_of_words(sentence, seed):
    rest, words = sentence.split()[4:], [f"<{k}>" for k in range(30)]
    got = spoil(sentence, 4, "stuck", words, rng=np.random.default_rng(seed)).split()[4:]
    assert len(rest) <= len(got) < 3 * len(rest) + 8
    new = [word for word in got if word in words]
    assert 1 <= len(set(new)) <= 4 * 3
    assert all(word in (*rest, *words) for word in got)


def test_stuck_swaps_from_three_in_ten_words_to_all():
    sentence, shares = " ".join(map(str, range(104))), []
    for seed in range(200):
        got = spoil(sentence, 4, "stuck", ["x"], rng=np.random.default_rng(seed)).split()[4:104]
        shares.append(got.count("x") / 100)
    assert 0.15 < min(shares) < 0.4
    assert max(shares) > 0.97
    assert abs(np.mean(shares) - 0.65) < 0.05


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind of spoiling: found 'burnt', expected one of looped"):
        spoil("a b c d e f g", 4, "burnt", ["h"], rng=np.random.default_rng(0))
