"""Sentences on fitted laws follow the fits."""

from unittest.mock import Mock

import polars as pl

from overopt.analysis.evidence import Evidence
from overopt.analysis.fit_shapes import SHAPES
from overopt.report import law_sentences, tables


def test_only_words_that_occur_are_explained():
    said = law_sentences.say_meanings(["straight", None, "turns", "straight"])
    assert said.splitlines() == [f"- *{word}*: {SHAPES[word]}." for word in ("turns", "straight")]
    assert law_sentences.say_meanings([None]) == ""
    assert set(law_sentences.VERBS) == set(SHAPES)


def test_one_and_several():
    said = law_sentences.say_counts({1: "turns", 2: "turns", 3: "straight"})
    assert said == "Of 3 proxy sizes 2 turn, 1 cannot be told from a straight line in √KL."
    assert law_sentences.say_counts({}) == "No law was fitted."


def peaks(known):
    ends = {f"peak_{what}{end}": 1.0 for what in ("kl", "gold") for end in ("", "_low", "_high")}
    return pl.DataFrame({"method": ["bon", "ppo"], "rm_params": [896, 2_576], "known": known, **ends})


def test_a_peak_that_is_not_known_is_named_and_not_printed():
    found = peaks([True, False])
    assert "PPO, 2.58k:" in law_sentences.say_peaks(found)
    assert "best-of-n" not in law_sentences.say_peaks(found)
    printed = tables.printed("tab-peaks", found.filter("known"), "Peaks.")
    assert "896" in printed
    assert "2.58k" not in printed
    assert law_sentences.say_peaks(peaks([True, True])) == ""
    none = tables.printed("tab-peaks", found.clear(), "Peaks.")
    assert "No curve has a peak that is known" in none


def test_what_the_law_of_best_of_n_is_asked_about_follows_the_study():
    near, beyond = (pl.DataFrame({"method": "bon", "n": [2, n]}) for n in (512, 32_768))
    sizes, far = Mock(curves=near), Mock(curves=beyond)
    said = law_sentences.say_far(Mock(Evidence, sizes=sizes, far=far))
    assert "fitted to n up to 512, and then asked about n up to 32,768" in said
    assert "no farther" in law_sentences.say_far(Mock(Evidence, sizes=sizes, far=None))
