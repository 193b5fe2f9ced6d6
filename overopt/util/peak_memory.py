"""How much memory a stage took at its peak: of the GPU where it ran on one, else of the process."""

import ctypes
import gc
import re
import resource
import sys
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def reset_peak(device: str) -> None:
    """Start counting anew, where the system can: a worker computes one stage after another."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats(device)
        return
    gc.collect()
    # glibc may keep what was freed before
    give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if give_back:
        give_back(0)
    try:
        _CLEAR.write_text("5")  # Linux: peak resident memory
    except OSError:
        return  # then it is counted from the start of the process


def peak_megabytes(device: str) -> int:
    """Peak since `reset_peak`."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.max_memory_allocated(device) // 2**20)
    if _STATUS.exists() and (found := re.search(r"VmHWM:\s*(\d+) kB", _STATUS.read_text())):
        return int(found[1]) // 1024
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kilobytes
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * unit // 2**20
