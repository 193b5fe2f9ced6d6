"""Normal gold and noise: known expectations of maxima, the slope, and no downturn."""

import math

import numpy as np
import pytest

from overopt.estimators.noise_alone import best_of_n_of_noisy
from overopt.util.errors import UserError

# E[max of n standard normal values], n = 1, 2, 4, 8 (Teichroew 1956)
EXPECTED = (0.0, 1 / math.sqrt(math.pi), 1.02938, 1.42360)


@pytest.mark.parametrize("noise", [0.0, 1.0, 3.0])
def test_proxy_and_gold_follow_the_theory(noise):
    found = best_of_n_of_noisy(noise, prompts=4000, samples=64, seed=3)
    assert len(found.kl) == 6  # to n = 32
    wide = math.sqrt(1 + noise)
    for k, expected in enumerate(EXPECTED):
        assert found.proxy[k] == pytest.approx(wide * expected, abs=0.02 * wide)
        assert abs(found.gold[k] - expected / wide) < 4 * found.gold_se[k]
    assert (np.diff(found.gold) > 0).all()


def test_a_negative_variance_is_refused():
    with pytest.raises(UserError, match="noise_variance: found -1"):
        best_of_n_of_noisy(-1.0, prompts=2, samples=2, seed=0)
