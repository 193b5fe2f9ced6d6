"""What somebody who waits wants to know, and nobody else."""

import sys
import time
from dataclasses import dataclass, field

SECONDS = 2.0  # before the first line, and between two


@dataclass
class SlowProgress:
    """Lines on stderr about work that takes longer than two seconds, one every two seconds at most.

    >>> SlowProgress().say("3 of 4 done")  # nothing: it has only begun
    """

    last: float = field(default_factory=lambda: time.monotonic())

    def say(self, text: str) -> None:
        """Print `text`, if it is time."""
        now = time.monotonic()
        if now - self.last >= SECONDS:
            print(f"overopt: {text}", file=sys.stderr, flush=True)
            self.last = now
