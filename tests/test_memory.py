"""The peak of one stage is not that of the stage before it in the same worker."""

import sys

import numpy as np
import pytest

from overopt.memory import peak_megabytes, reset_peak


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the peak is that of the whole process")
def test_the_peak_is_counted_anew():
    reset_peak("cpu")
    before = peak_megabytes("cpu")
    large = np.ones(40_000_000)
    during = peak_megabytes("cpu")
    assert 250 < during - before < 450
    del large
    assert peak_megabytes("cpu") == during
    reset_peak("cpu")
    assert peak_megabytes("cpu") < during - 200
