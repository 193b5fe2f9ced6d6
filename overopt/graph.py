"""Stages as they are added, each once, and the finished plan of a study."""

from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from overopt.stage import Stage
from overopt.study import Study


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
        return getattr(import_module(f"overopt.{self.module}"), self.name)


@dataclass(frozen=True)
class Plan:
    """All stages of a study in topological order; the last one gathers the tables that pages are drawn from."""

    study: Study
    stages: tuple[Stage, ...]

    @property
    def tables(self) -> Stage:
        """The stage that gathers every table."""
        return self.stages[-1]


@dataclass
class Graph:
    """The stages added so far, parents before children."""

    stages: list[Stage] = field(default_factory=list)
    _by_key: dict[str, Stage] = field(default_factory=dict)

    def add(
        self,
        name: str,
        title: str,
        version: int,
        run: str,
        spec: dict[str, Any],
        **parents: Stage,
    ) -> Stage:
        """Add a stage, or find the one that has the same key.

        run: the stage function, as module and name inside the package ("gold.fluency_model").
        """
        made = Stage(name, title, version, spec, parents, StageFunction(*run.split(".")))
        if made.key not in self._by_key:
            self._by_key[made.key] = made
            self.stages.append(made)
        return self._by_key[made.key]
