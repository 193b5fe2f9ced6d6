"""A stage, how it is run, and what its function is given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from overopt.engine.record import sha256_of_json

if TYPE_CHECKING:  # torch comes with it; who only asks what is there need not wait for it
    from overopt.engine.checkpoint import Checkpoint


Told = TypeVar("Told", covariant=True)


@dataclass(frozen=True)
class Stage:
    """One result to compute: a name, what it depends on, and the function that makes it.

    name: kind of result ("proxy"); title: one instance, for people ("proxy 1k, 4096 pairs, seed 0");
    version: bumped by hand when the meaning of the function changes; spec: JSON values only; parents: by role.
    `run(job)`, with a `Job`, writes its files into `job.out`; optional: roles of the parents that it does without where
    nothing else needs them.
    """

    name: str
    title: str
    version: int
    spec: Mapping[str, Any]
    parents: Mapping[str, "Stage"]
    run: Callable[..., None] = field(compare=False)
    optional: frozenset[str] = field(default=frozenset(), compare=False)

    @cached_property
    def key(self) -> str:
        """SHA-256 (hex) of the canonical JSON of name, version, spec and parents' keys."""
        return sha256_of_json(self.identity)

    @property
    def identity(self) -> dict[str, Any]:
        """What the key is made of."""
        return {
            "stage": self.name,
            "version": self.version,
            "spec": dict(self.spec),
            "parents": {role: parent.key for role, parent in self.parents.items()},
        }


@dataclass(frozen=True)
class Runtime:
    """How, never what: device, rows scored at once, worker processes, where the store is."""

    device: str
    batch: int
    workers: int
    store: Path


@dataclass(frozen=True)
class Job(Generic[Told]):
    """What a stage function sees: its spec, its parents' folders, where to write, how to run and report.

    published: roles of the parents that came with the package, and that nobody computed here.
    """

    spec: Told
    parents: Mapping[str, Path]
    out: Path
    runtime: Runtime
    progress: Callable[[int, int], None]
    keys: Mapping[str, str]
    checkpoint: "Checkpoint"
    published: frozenset[str] = frozenset()
