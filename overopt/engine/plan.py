"""A plan: stages in an order in which each follows its parents, and functions that are imported when they run."""

from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from pydantic import BaseModel

from overopt.engine.stage import Job, Stage


@dataclass(frozen=True)
class StageFunction:
    """A stage function that is imported when it is called: a plan is made without torch.

    spec: what it is told; it is called with a job whose spec is one.
    """

    module: str
    name: str
    spec: type[BaseModel]

    def __call__(self, job: Job[Any]) -> None:
        """Run it."""
        self.imported()(replace(job, spec=self.spec.model_validate(job.spec)))

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
