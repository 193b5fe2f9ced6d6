"""Where a study stands, and whether a store can be trusted."""

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

from overopt.engine.checkpoint import damaged_checkpoints
from overopt.engine.plan import Plan
from overopt.engine.progress import read_progress
from overopt.engine.record import read_record, result_folders, verify_result
from overopt.engine.stage import Stage
from overopt.engine.store import Store, held


@dataclass(frozen=True)
class StageStatus:
    """One stage: seconds spent so far, and about how many are left (None where nobody can know).

    Of a published stage, seconds are what it took where it was made, before it came with the package; an unneeded one is
    missing, and only published ones are made from it.

    kept: a run of it was stopped, and the next goes on from what that one kept.
    """

    title: str
    state: Literal["done", "published", "unneeded", "running", "waiting", "damaged"]
    spent: float
    left: float | None
    kept: bool = False


def study_status(plan: Plan, store: Store) -> list[StageStatus]:
    """Every stage of a study in the order of its plan.

    What is left of a running stage follows from its progress; of one that has not said, and of a waiting one, from
    what stages of its kind took in this store.
    """
    took = _typical_seconds(store)
    needless = store.needless(plan.stages)
    return [
        StageStatus(stage.title, "unneeded", 0.0, 0.0)
        if stage.key in needless
        else _status(stage, store, took.get(stage.name))
        for stage in plan.stages
    ]


def _status(stage: Stage, store: Store, typical: float | None) -> StageStatus:
    problem = store.problem(stage)
    if problem is None:
        seconds = read_record(store.path(stage))["seconds"]
        return StageStatus(stage.title, "published" if store.is_published(stage) else "done", seconds, 0.0)
    if held(store.lock_file(stage)):
        seen = read_progress(store.work_folder(stage))
        spent = time.time() - seen.started if seen else 0.0
        left = seen.left if seen else None
        if left is None and typical is not None:
            left = max(0.0, typical - spent)
        return StageStatus(stage.title, "running", spent, left)
    kept = store.checkpoint_folder(stage).is_dir()
    return StageStatus(stage.title, "waiting" if problem == "missing" else "damaged", 0.0, typical, kept)


def _typical_seconds(store: Store) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for folder in result_folders(store.root):
        try:
            found.setdefault(folder.parent.name, []).append(float(read_record(folder)["seconds"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # `overopt verify` names it
    return {name: median(seconds) for name, seconds in found.items()}


def leftovers(root: Path) -> list[Path]:
    """What runs that were stopped left in a store: unfinished results, and checkpoints to go on from."""
    found = (path for path in root.glob("*/*") if path.suffix in (".work", ".checkpoint") and path.is_dir())
    return sorted(path for path in found if not held(path.with_suffix(".work.lock")))


def size(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def damaged(root: Path) -> list[str]:
    """One sentence for each result and checkpoint of a store that does not verify: what was found, and where."""
    problems = (verify_result(folder, folder.name) for folder in result_folders(root))
    checkpoints = [path for folder in leftovers(root) for path in damaged_checkpoints(folder)]
    return [problem for problem in problems if problem is not None] + [
        f"{path}: found another SHA-256 than its name states" for path in checkpoints
    ]
