"""How far a running stage is: written beside its unfinished result, read by whoever shows it."""

import contextlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

NAME = "progress.json"
SECONDS_BETWEEN = 0.5


@dataclass(frozen=True)
class Progress:
    """`done` of `total` steps at the time `seen`, by process `pid`, which began at `started`; total 0: none counted.

    The first report said `first` steps at the time `since`: a stage that goes on from a checkpoint does not start at
    0, and one that loads data first does not count from its beginning. Times are seconds since 1970.
    """

    pid: int
    started: float
    done: int = 0
    total: int = 0
    seen: float = 0.0
    first: int = 0
    since: float = 0.0

    @property
    def rate(self) -> float | None:
        """Steps a second since the first report; None before the second."""
        if self.done <= self.first or self.seen <= self.since:
            return None
        return (self.done - self.first) / (self.seen - self.since)

    @property
    def left(self) -> float | None:
        """About how many seconds are left; None where nobody can know yet."""
        return (self.total - self.done) / self.rate if self.rate else None


def reporter(work: Path) -> Callable[[int, int], None]:
    """Keeps `Progress` in `work`, from now on, and again for what it is told, at most twice a second."""
    last = Progress(os.getpid(), time.time())
    _write(work, last)

    def report(done: int, total: int) -> None:
        nonlocal last
        now = time.time()
        if not last.since:
            last = Progress(last.pid, last.started, done, total, now, done, now)
        elif now - last.seen > SECONDS_BETWEEN:
            last = Progress(last.pid, last.started, done, total, now, last.first, last.since)
        else:
            return
        _write(work, last)

    return report


def _write(work: Path, progress: Progress) -> None:
    # who shows it can do without: a disk that is full for a moment does not end a stage that writes nothing else then
    with contextlib.suppress(OSError):
        scratch = work / f"{NAME}.tmp"
        scratch.write_text(json.dumps(asdict(progress)))
        os.replace(scratch, work / NAME)


def read_progress(work: Path) -> Progress | None:
    """What a stage that works in `work` said last; None if nothing."""
    try:
        return Progress(**json.loads((work / NAME).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def remove_progress(work: Path) -> None:
    """Leave only what the stage itself wrote."""
    for name in (NAME, f"{NAME}.tmp"):
        (work / name).unlink(missing_ok=True)
