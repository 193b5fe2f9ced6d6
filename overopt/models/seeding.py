"""Torch's randomness from one seed, split by name: no stage reads or moves global random state."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from overopt.util.seeds import derive


def generator(seed: int, *names: str | int) -> torch.Generator:
    """A CPU generator for one named stream.

    Draws are made on the CPU and moved, so that a GPU sees the same random numbers.
    """
    return torch.Generator().manual_seed(derive(seed, *names))


@contextmanager
def isolated(seed: int, *names: str | int) -> Iterator[None]:
    """Seed torch's global generator inside the block and restore it afterwards.

    transformers initialises weights from global state; this is the one place that touches it.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, *names))
        yield
