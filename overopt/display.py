"""Progress of a study on the terminal: bars where there is a terminal, a line a stage where there is not."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from overopt.pages import duration


class Display:
    """A line for the study (stages done, rate, time left) and one for each running stage."""

    def __init__(self, study: str, *, total: int, done: int, workers: int) -> None:
        self.console = Console(stderr=True)
        self.study, self.total, self.done = study, total, done
        self.started = time.monotonic()
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(compact=True),
            console=self.console,
            disable=not self.console.is_terminal,
            transient=True,
        )
        self.whole = self.bars.add_task(f"study {study}", total=total, completed=done, rate="stages")
        self.tasks: dict[str, TaskID] = {}
        self.starts: dict[str, float] = {}
        self.console.print(
            f"study {study}: {total - done} of {total} stages to compute, {workers} at a time",
            highlight=False,
        )

    def __enter__(self) -> "Display":
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bars.stop()

    def update(self, running: dict[str, tuple[int, int] | None]) -> None:
        """Show the running stages: title -> (done, total), None for one that has not said."""
        for title in set(self.tasks) - set(running):
            self.bars.remove_task(self.tasks.pop(title))
        now = time.monotonic()
        for title, seen in running.items():
            start = self.starts.setdefault(title, now)
            if title not in self.tasks:
                self.tasks[title] = self.bars.add_task(f"  {title}", total=None, rate="")
            if seen:
                done, total = seen
                rate = done / max(now - start, 1e-9)
                self.bars.update(self.tasks[title], completed=done, total=total, rate=f"{rate:,.3g}/s")

    def finished(self, title: str, seconds: float) -> None:
        """A stage is done: one line that stays."""
        self.done += 1
        self.bars.update(self.whole, completed=self.done)
        elapsed = duration(time.monotonic() - self.started)
        self.console.print(
            f"[{self.done}/{self.total}] {title}: {duration(seconds)} (elapsed {elapsed})",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
