"""Texts that repeat themselves are found by their words, and counted where runs end and begin."""

import polars as pl
import pytest

from overopt.report.repetition import say_repetition, says_again


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The film is a great film, and a great film.", True),
        ("a great story - A GREAT STORY", True),
        ("great great great great", True),
        ("great great great", False),  # three words in a row, once
        ("It was a good film, a funny film and a sad film at the same time.", False),
        ("it’s a good film but it’s a bad film", False),
        ("it’s a good film but it’s a good one", True),
        ("", False),
    ],
)
def test_three_words_in_a_row_that_are_said_twice_are_a_repetition(text, expected):
    assert says_again(text) is expected


def recorded(rows):
    names = ["method", "record", "step", "prompt_text", "completion", "gold"]
    return pl.DataFrame(rows, schema=names, orient="row")


def test_liked_texts_are_counted_at_each_runs_own_end_and_start():
    again, once = " a great film and a great film.", " a great film."
    found = recorded(
        [
            ("ppo", "a", 0, "It is", again, 1.2),
            ("ppo", "a", 0, "It is", once, 1.2),
            ("ppo", "a", 5, "It is", again, 1.2),  # not its end
            ("ppo", "a", 9, "It is", again, 2.0),
            ("ppo", "a", 9, "It is", again, 0.5),  # not liked
            ("ppo", "b", 4, "It is", once, 2.0),
            ("bon", "c", None, "It is", again, 2.0),
        ]
    )
    said = say_repetition(found)
    assert said.startswith(
        " Of 2 recorded texts that gold puts above 1 SD where PPO runs end, 1 say three words in a row twice"
    )
    assert "(where they begin in 1 of 2)" in said
    assert say_repetition(recorded([("bon", "c", None, "It is", again, 2.0)])) == ""
