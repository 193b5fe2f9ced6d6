"""A command that is stopped, by Ctrl-C or SIGTERM, ends in one sentence and leaves no process behind."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPED = "overopt: stopped; what was finished is kept, the same command goes on from there"


@contextmanager
def stoppable() -> Iterator[None]:
    """In this block, SIGTERM raises KeyboardInterrupt like Ctrl-C does; during an import, both end the process."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # ignored, as under nohup: so it stays
    before = {
        number: handler for number, handler in handlers.items() if handler not in (signal.SIG_IGN, None)
    }
    for number in before:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def exit_code(interrupt: KeyboardInterrupt) -> int:
    """128 and the number of the signal, as shells have it."""
    return 128 + (interrupt.args[0] if interrupt.args else signal.SIGINT)


def _stop(number: int, frame: FrameType | None) -> None:
    while frame:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            # libraries swallow what is raised while they are imported, or turn it into errors of their own
            os.write(2, f"{STOPPED}\n".encode())
            os._exit(128 + number)
        frame = frame.f_back
    raise KeyboardInterrupt(number)
