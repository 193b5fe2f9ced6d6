"""Randomness from one seed, split by name: no stage reads or moves global random state."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derive(seed: int, *names: str | int) -> int:
    """A 63-bit seed that depends on `seed` and on every name, and on nothing else.

    `derive(0, "proxy", 3)` and `derive(0, "proxy", 4)` are unrelated streams.
    """
    text = "/".join(map(str, (seed, *names)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


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
