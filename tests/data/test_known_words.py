"""Words are what a reader takes for one, and a word is known that others wrote often enough."""

import math

from overopt.data.words import LEAST, known_share, known_words, words


def test_words_are_runs_of_letters_and_apostrophes():
    assert words("It's 2 GREAT films, isn't it?!") == ["it's", "great", "films", "isn't", "it"]
    assert words("1984 ... !?") == []


def test_a_word_is_known_from_the_time_on_that_it_occurs_often_enough():
    often, seldom = ["The film."] * (LEAST - 1), ["A plot"] * (LEAST - 1)
    assert known_words([*often, *seldom]) == frozenset()
    assert known_words([*often, "the FILM", *seldom]) == {"the", "film"}
    assert known_words(["no " * LEAST]) == {"no"}  # in one text as well as in several


def test_the_share_is_of_all_words_and_not_of_texts():
    known = frozenset({"the", "film"})
    assert known_share([["the", "film", "the"], ["plok"]], known) == 3 / 4
    assert known_share([["plok"], []], known) == 0
    assert math.isnan(known_share([[], []], known))
