"""Seeds from one seed, split by name: unrelated streams of random numbers for whatever draws them."""

import hashlib


def derive(seed: int, *names: str | int) -> int:
    """A 63-bit seed that depends on `seed` and on every name, and on nothing else.

    `derive(0, "proxy", 3)` and `derive(0, "proxy", 4)` are unrelated streams.
    """
    text = "/".join(map(str, (seed, *names)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
