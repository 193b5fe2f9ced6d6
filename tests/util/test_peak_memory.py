"""The peak of one stage is not that of the stage before it in the same worker."""

import os
import platform
import subprocess
import sys

import numpy as np
import pytest

from overopt.util.peak_memory import peak_megabytes, reset_peak


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the peak is that of the whole process")
def test_the_peak_is_counted_anew():
    reset_peak("cpu")
    before = peak_megabytes("cpu")
    large = np.ones(40_000_000)
    during = peak_megabytes("cpu")
    assert 250 < during - before < 450
    del large
    assert peak_megabytes("cpu") == pytest.approx(during, abs=2)  # the kernel counts in batches
    reset_peak("cpu")
    assert peak_megabytes("cpu") < during - 200


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have other habits")
def test_nor_is_what_the_c_library_kept_of_it():
    script = """
import numpy as np
from overopt.util.peak_memory import peak_megabytes, reset_peak
kept = np.ones(20_000_000)
above = np.ones(1000)  # what is freed below it is not at the end of the heap
del kept
during = peak_megabytes("cpu")
reset_peak("cpu")
print(during, peak_megabytes("cpu"))
"""
    keeping = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**32)}  # as in `runner`
    said = subprocess.check_output([sys.executable, "-c", script], env=os.environ | keeping)
    during, after = map(int, said.split())
    assert after < during - 100
