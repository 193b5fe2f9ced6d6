"""Texts that repeat themselves are found by their words."""

import pytest

from overopt.rewards.repetition import repeats_itself


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The film is a great film, and a great film.", True),
        ("a great story - A GREAT STORY", True),
        ("a great great film", True),
        ("It is the The end", True),
        ("It is great, great.", False),  # a mark between
        ("very, very, very, very good", True),  # three in a row, twice
        ("an art article", False),
        ("It was a good film, a funny film and a sad film at the same time.", False),
        ("it’s a good film but it’s a bad film", False),
        ("it’s a good film but it’s a good one", True),
        ("", False),
    ],
)
def test_a_word_twice_running_or_three_words_twice_are_a_repetition(text, expected):
    assert repeats_itself(text) is expected
