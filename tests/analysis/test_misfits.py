"""Whether a curve falls: seldom said of one that does not, and said of one that does wherever its top lies."""

import numpy as np
import pytest

from overopt.analysis.misfits import falls, least_sure_fall
from overopt.analysis.resampled import Resampled

KL = np.linspace(0.0, 4.0, 30) ** 2


def curve(shape, seed, *, prompts=64, noise=0.3):
    """A curve with noise that neighbours share, as along one run, and draws of it over prompts."""
    rng = np.random.default_rng(seed)
    walk = noise * rng.normal(size=(len(KL), prompts)).cumsum(axis=0) / np.sqrt(len(KL))
    values = shape(np.sqrt(KL))[:, None] + walk + noise * rng.normal(size=(len(KL), prompts))
    rows = rng.integers(prompts, size=(400, prompts))
    return Resampled(KL, values.mean(1), values[:, rows].mean(2).T)


def test_a_curve_without_a_fall_is_seldom_said_to_fall():
    """Level, or still rising: the highest of thirty points is high by chance, and that counts as none."""
    for shape in (lambda d: 0 * d, lambda d: 0.02 * d):
        assert np.mean([falls(curve(shape, seed)) for seed in range(200)]) < 0.07


@pytest.mark.parametrize("top", [0.5, 2.0, 3.5])
def test_a_fall_is_found_wherever_the_top_is(top):
    def tent(d):
        return np.minimum(d / top, 1 - (d - top) / (5.0 - top))

    assert np.mean([falls(curve(tent, seed)) for seed in range(50)]) > 0.9


def test_of_a_single_run_and_prompt_nothing_is_said():
    alone = Resampled(KL, np.sin(np.sqrt(KL)), np.full((400, len(KL)), np.nan))
    assert not falls(alone)
    assert np.isnan(least_sure_fall(alone))


def test_a_fall_is_sure_from_the_least_that_is_told_on():
    """The end is put just above and just below where it must lie: the draws move with it."""
    found = curve(lambda d: np.minimum(d, 3.0), 1)
    top, least = found.mean[:-1].max(), least_sure_fall(found)
    for share, sure in ((0.999, False), (1.001, True)):
        moved = np.zeros(len(KL))
        moved[-1] = top - share * least - found.mean[-1]
        end = Resampled(KL, found.mean + moved, found.draws + moved)
        assert falls(end) is sure


def test_more_prompts_tell_smaller_falls():
    few, many = (least_sure_fall(curve(np.sin, 0, prompts=prompts)) for prompts in (64, 1024))
    assert 0.15 < many / few < 0.4
