"""What somebody who waits wants to know, and nobody else."""

import sys
import time
from dataclasses import dataclass, field

SECONDS = 2.0  # before the first line, and between two


@dataclass
class SlowProgress:
    """Lines on stderr about work that takes longer than two seconds, one every two seconds at most.

    longest: seconds that the time between two lines grows to, twofold each, so that work of hours leaves few lines.

    >>> SlowProgress().say("3 of 4 done")  # nothing: it has only begun
    """

    longest: float = SECONDS
    last: float = field(default_factory=lambda: time.monotonic())
    wait: float = field(default=SECONDS, init=False)

    def say(self, text: str) -> None:
        """Print `text`, if it is time."""
        now = time.monotonic()
        if now - self.last >= self.wait:
            print(f"overopt: {text}", file=sys.stderr, flush=True)
            self.last, self.wait = now, min(2 * self.wait, self.longest)
