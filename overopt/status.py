"""Where a study stands, and whether a store can be trusted."""

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

from filelock import FileLock, Timeout

from overopt.plan import Plan
from overopt.runner import progress
from overopt.store import Stage, Store, canonical_json, identity_of, read_record, verify_folder


@dataclass(frozen=True)
class StageStatus:
    """One stage: seconds spent so far, and about how many are left (None where nobody can know)."""

    title: str
    state: Literal["done", "running", "waiting", "damaged"]
    spent: float
    left: float | None


def study_status(graph: Plan, store: Store) -> list[StageStatus]:
    """Every stage of a study in the order of its plan.

    What is left of a running stage follows from its progress; of a waiting one, from what stages of its kind took
    in this store.
    """
    took = _typical_seconds(store)
    return [_status(stage, store, took.get(stage.name)) for stage in graph.stages]


def _status(stage: Stage, store: Store, typical: float | None) -> StageStatus:
    problem = store.problem(stage)
    if problem is None:
        return StageStatus(stage.title, "done", read_record(store.folder(stage))["seconds"], 0.0)
    work = store.work_folder(stage)
    if work.is_dir() and _held(store.lock_file(stage)):
        spent = time.time() - work.stat().st_ctime
        seen = progress(work)
        left = spent / seen[0] * (seen[1] - seen[0]) if seen and seen[0] else None
        return StageStatus(stage.title, "running", spent, left)
    return StageStatus(stage.title, "waiting" if problem == "missing" else "damaged", 0.0, typical)


def _held(lock: Path) -> bool:
    """Whether a living process holds the lock: that of a dead one is free, whatever files it left."""
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True


def _typical_seconds(store: Store) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for folder in results(store.root):
        try:
            found.setdefault(folder.parent.name, []).append(float(read_record(folder)["seconds"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # `overopt verify` names it
    return {name: median(seconds) for name, seconds in found.items()}


def results(root: Path) -> list[Path]:
    """The folders of all published results of a store."""
    return sorted(path for path in root.glob("*/*") if path.is_dir() and not path.suffix)


def damaged(root: Path) -> list[str]:
    """One sentence for each result of a store that does not verify: what was found, and where."""
    found = [_problem(folder) for folder in results(root)]
    return [problem for problem in found if problem is not None]


def _problem(folder: Path) -> str | None:
    problem = verify_folder(folder)
    if problem is not None:
        return problem
    record: dict[str, Any] = read_record(folder)
    try:
        key = hashlib.sha256(canonical_json(identity_of(record)).encode()).hexdigest()
    except (KeyError, ValueError):
        key = ""
    if key != record.get("key") or not key.startswith(folder.name):
        return f"{folder / 'record.json'}: found a record that does not belong to its folder"
    return None
