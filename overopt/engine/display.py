"""Progress of a study on the terminal: live lines where there is a terminal, a line a stage where there is not."""

import time
from collections.abc import Collection, Mapping
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from overopt.engine.progress import Progress
from overopt.util.words import clock, duration

# Columns of the terminal from which there is room for a rate, and for a bar; no line is longer than the last.
ROOM_FOR_RATE, ROOM_FOR_BAR, WIDEST = 60, 80, 100


class Display:
    """A line for the study (stages done, time left) and one for each running stage (steps done, rate, time left)."""

    def __init__(self, study: str, *, total: int, done: int, workers: int) -> None:
        self.console = Console(stderr=True)
        self.study, self.total, self.done, self.before = study, total, done, done
        self.started = time.monotonic()
        self.running: dict[str, Progress | None] = {}
        self.elsewhere: Collection[str] = ()
        self.said: set[str] = set()
        # no refreshing thread: what it drew between two steps of a print would stay on the screen
        self.live = Live(console=self.console, get_renderable=self.table, auto_refresh=False, transient=True)
        self.say(f"study {study}: {total - done} of {total} stages to compute, {workers} at a time")

    def __enter__(self) -> "Display":
        if self.console.is_interactive:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.live.stop()

    def say(self, line: str) -> None:
        """A line that stays; nothing but the terminal breaks it where rich does not know the width."""
        self.console.print(Text(line), soft_wrap=not self.console.is_interactive)

    def update(self, running: Mapping[str, Progress | None], elsewhere: Collection[str] = ()) -> None:
        """Show the running stages by title, None for one that has said nothing; `elsewhere`: those of other processes."""
        self.running, self.elsewhere = dict(running), elsewhere
        if self.live.is_started:
            self.live.refresh()
        for title in sorted(set(elsewhere) - self.said):
            self.said.add(title)
            if not self.console.is_interactive:
                self.say(f"{title}: another process is computing it, waiting for its result")

    def finished(self, title: str, seconds: float | None) -> None:
        """A stage is done, in `seconds` of this process or by another: one line that stays."""
        self.done += 1
        took = "computed by another process" if seconds is None else duration(seconds)
        elapsed = duration(time.monotonic() - self.started)
        self.say(f"[{self.done}/{self.total}] {title}: {took} (elapsed {elapsed})")

    def table(self) -> Table:
        """The live lines, for the width that the terminal has now: titles are cut, numbers are not."""
        width = min(self.console.width, WIDEST)
        table = Table.grid(padding=(0, 1), expand=True)
        table.width = width
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        for room in (ROOM_FOR_BAR, 0, ROOM_FOR_RATE, 0):
            if width >= room:
                table.add_column(no_wrap=True, justify="right")

        def add(title: str, done: int, total: int, rate: str, left: float | None) -> None:
            bar = ProgressBar(total, done, width=20) if total else ""
            cells = [(ROOM_FOR_BAR, bar), (0, f"{done}/{total}" if total else ""), (ROOM_FOR_RATE, rate)]
            shown = [cell for room, cell in cells if width >= room]
            table.add_row(Text(title), *shown, clock(left))

        add(f"study {self.study}", self.done, self.total, "stages", self.left())
        for title, seen in self.running.items():
            where = "another process: " if title in self.elsewhere else ""
            rate = f"{seen.rate:,.3g}/s" if seen and seen.rate else ""
            seen = seen or Progress(0, 0.0)
            add(f"  {where}{title}", seen.done, seen.total, rate, seen.left)
        return table

    def left(self) -> float | None:
        """About how many seconds of the study are left, if the stages to come take what those so far took."""
        if self.done == self.before:
            return None
        begun = sum(seen.done / seen.total for seen in self.running.values() if seen and seen.total)
        passed = time.monotonic() - self.started
        return passed * (self.total - self.done - begun) / (self.done - self.before + begun)
