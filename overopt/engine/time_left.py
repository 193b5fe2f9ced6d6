"""How long work of several stages will still take, one after another in one process: lines on stderr."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from overopt.engine.stage import Job, Stage
from overopt.util import processes
from overopt.util.slow_progress import SlowProgress
from overopt.util.words import clock

LONGEST = 30.0  # seconds between two lines, once the work has taken a few minutes


class TimeLeft:
    """Says which stage is computed, how far it is, and how long its group and all that is `missing` will still take.

    A stage to come takes what those of its kind took so far; while a kind has not been seen, time left is "over" what is
    known. groups: by the stages' keys, also of those that are there, whatever several stages are about.
    """

    def __init__(self, missing: Sequence[Stage], groups: Mapping[str, str]) -> None:
        self._to_come, self._groups = list(missing), groups
        self._names = list(dict.fromkeys(groups.values()))
        self._seconds: dict[str, list[float]] = {}  # by kind of stage
        self._slow = SlowProgress(longest=LONGEST)

    def during(self, stage: Stage) -> Stage:
        """The same stage, which says here how far it is while it runs; of several processes, in the first."""

        def run(job: Job[Any]) -> None:
            with self._computing(stage) as tell:

                def progress(done: int, total: int) -> None:
                    job.progress(done, total)
                    tell(done, total)

                stage.run(replace(job, progress=progress))

        return replace(stage, run=run)

    @contextmanager
    def _computing(self, stage: Stage) -> Iterator[Callable[[int, int], None]]:
        started = time.monotonic()
        first: tuple[float, int] | None = None

        def tell(done: int, total: int) -> None:
            nonlocal first
            now = time.monotonic()
            # the first steps wait for models to load: those after them are faster
            since, before = first or (started, 0)
            first = first or (now, done)
            left = (now - since) * (total - done) / (done - before) if done > before else None
            self._say(stage, f" {done} of {total}", now - started, left)

        self._to_come = [other for other in self._to_come if other.key != stage.key]
        self._say(stage, "", 0.0, None)
        yield tell
        self._seconds.setdefault(stage.name, []).append(time.monotonic() - started)

    def _say(self, stage: Stage, steps: str, elapsed: float, left: float | None) -> None:
        if processes.rank() > 0:
            return
        seconds = {kind: sum(took) / len(took) for kind, took in self._seconds.items()}
        if left is None and stage.name in seconds:
            left = max(seconds[stage.name] - elapsed, 0.0)
        if left is not None:
            seconds.setdefault(stage.name, elapsed + left)

        def after(to_come: list[Stage], left: float) -> str:
            known = [seconds[other.name] for other in to_come if other.name in seconds]
            return ("over " if len(known) < len(to_come) else "") + clock(left + sum(known))

        group = self._groups[stage.key]
        of_group = [other for other in self._to_come if self._groups[other.key] == group]
        said = f"[{self._names.index(group) + 1}/{len(self._names)}] {stage.title}{steps}"
        if left is not None:
            said += f", time left {after(of_group, left)}, in all {after(self._to_come, left)}"
        self._slow.say(said)
