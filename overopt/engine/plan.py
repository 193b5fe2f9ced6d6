"""A plan: stages in an order in which each follows its parents, and functions that are imported when they run."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from overopt.engine.stage import Stage


@dataclass(frozen=True)
class StageFunction:
    """A stage function that is imported when it is called: a plan is made without torch."""

    module: str
    name: str

    def __call__(self, job: Any) -> None:
        """Run it."""
        self.imported()(job)

    def imported(self) -> Any:
        """The function itself."""
        return getattr(import_module(self.module), self.name)


@dataclass(frozen=True)
class Plan:
    """All stages of the study `name` in topological order; the last one gathers the tables that pages are drawn from."""

    name: str
    stages: tuple[Stage, ...]

    @property
    def tables(self) -> Stage:
        """The stage that gathers every table."""
        return self.stages[-1]
