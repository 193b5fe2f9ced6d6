"""Spoilt completions are broken in the way that their kind says."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overopt.data.spoil import CORRUPTIONS, spoil

completions = st.lists(st.integers(0, 99), min_size=1, max_size=20)
NEW = range(1000, 1030)  # tokens that no completion has


def spoilt(completion, kind, seed, tokens=NEW):
    return spoil(completion, kind, tokens, rng=np.random.default_rng(seed))


@settings(max_examples=100, deadline=None)
@given(completions, st.sampled_from(CORRUPTIONS), st.integers(0, 9))
def test_the_same_seed_gives_the_same_tokens_and_none_are_lost(completion, kind, seed):
    assert spoilt(completion, kind, seed) == spoilt(completion, kind, seed)
    if kind != "echoed":
        assert len(spoilt(completion, kind, seed)) >= len(completion)


@settings(max_examples=60, deadline=None)
@given(completions, st.integers(0, 9))
def test_looped_repeats_a_run_of_one_to_four_tokens(completion, seed):
    got = spoilt(completion, "looped", seed)
    assert len(got) < len(completion) + 12

    def is_loop(size):
        runs = [completion[start : start + size] for start in range(len(completion) - size + 1)]
        return any(got == (run * len(got))[: len(got)] for run in runs)

    assert any(is_loop(size) for size in range(1, min(4, len(completion)) + 1))


@settings(max_examples=60, deadline=None)
@given(completions, st.integers(0, 9))
def test_stuck_puts_one_to_four_phrases_in_the_place_of_tokens(completion, seed):
    got = spoilt(completion, "stuck", seed)
    assert len(got) < 3 * len(completion) + 8
    new = [token for token in got if token in NEW]
    assert 1 <= len(set(new)) <= 4 * 3
    assert all(token in (*completion, *NEW) for token in got)


def test_stuck_swaps_from_three_in_ten_tokens_to_all():
    shares = [spoilt(range(100), "stuck", seed, tokens=[1000])[:100].count(1000) / 100 for seed in range(200)]
    assert 0.15 < min(shares) < 0.4
    assert max(shares) > 0.97
    assert abs(np.mean(shares) - 0.65) < 0.05


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind of spoiling: found 'burnt', expected one of looped"):
        spoilt([1, 2, 3], "burnt", 0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 99), min_size=5, max_size=20, unique=True), st.integers(0, 9))
def test_shuffled_puts_runs_of_one_to_four_tokens_in_another_order(completion, seed):
    got = spoilt(completion, "shuffled", seed)
    assert sorted(got) == sorted(completion)
    assert got != completion
    kept = sum(completion.index(b) == completion.index(a) + 1 for a, b in pairwise(got))
    assert kept < len(completion) - 1  # neighbours that still are


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 99), min_size=3, max_size=20, unique=True), st.integers(0, 9))
def test_stuttered_says_one_or_two_runs_again_where_they_stand(completion, seed):
    got = spoilt(completion, "stuttered", seed)
    assert len(completion) < len(got) <= len(completion) + 2 * 3 * 5
    assert set(got) == set(completion)
    back = [(a, b) for a, b in pairwise(got) if completion.index(b) != completion.index(a) + 1]
    assert 1 <= len(back) <= 2 * 2 * 5  # where a run begins again; a second run may stand inside the first


def test_stuttered_says_a_run_again_most_often_once():
    added = [len(spoilt(range(100), "stuttered", seed)) - 100 for seed in range(400)]
    assert sum(more <= 2 * 3 for more in added) > 0.6 * len(added)
    assert max(added) > 10


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 99), min_size=8, max_size=20, unique=True), st.integers(0, 50))
def test_echoed_says_a_run_of_two_to_seven_two_to_five_times(completion, seed):
    got = spoilt(completion, "echoed", seed)
    times = [got.count(token) for token in completion]
    assert max(times) <= 5
    assert 1 <= sum(count > 1 for count in times) <= 7
    assert len(got) <= len(completion) + 7 * 5 + 4


def test_echoed_leaves_a_phrase_as_it_is_or_changes_a_token_and_joins_with_one_or_with_none():
    seen = [spoilt(range(20), "echoed", seed) for seed in range(400)]
    new = [sum(token in NEW for token in got) for got in seen]
    assert 0.3 < np.mean([count == 0 for count in new]) < 0.6
    assert np.mean([got[0] == 0 for got in seen]) > 0.4  # what came before is kept every other time
    assert 0.2 < np.mean([got[-1] == 19 for got in seen]) < 0.5
