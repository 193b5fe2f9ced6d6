"""Stages as they are added, each once, and the finished plan."""

from dataclasses import dataclass, field
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


@dataclass
class Graph:
    """The stages added so far, parents before children; `package` holds the modules of their functions."""

    package: str
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

        run: the stage function, as module and name inside `package` ("gold.fluency_model").
        """
        module, function = run.split(".")
        made = Stage(name, title, version, spec, parents, StageFunction(f"{self.package}.{module}", function))
        if made.key not in self._by_key:
            self._by_key[made.key] = made
            self.stages.append(made)
        return self._by_key[made.key]
