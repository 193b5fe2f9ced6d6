"""What a stage function is given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overopt.checkpoint import Checkpoint
from overopt.store import Runtime


@dataclass(frozen=True)
class Job:
    """What a stage function sees: its spec, its parents' folders, where to write, how to run and report."""

    spec: Mapping[str, Any]
    parents: Mapping[str, Path]
    out: Path
    runtime: Runtime
    progress: Callable[[int, int], None]
    keys: Mapping[str, str]
    checkpoint: Checkpoint
