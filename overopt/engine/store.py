"""Results kept by content: compute once, publish in one rename, verify before every use.

A result's key is the SHA-256 of what it is (stage, version, spec, keys of its parents), so a change of any of
them is another result. Work happens in `<key>.work`, locked against other processes; `record.json`, written
last, holds the SHA-256 of every file and its own; a rename publishes the folder. A folder that does not verify is never
used: it is removed and computed again.
"""

import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from platformdirs import user_data_path

from overopt.engine.progress import remove_progress, reporter
from overopt.engine.record import (
    RECORD,
    canonical_json,
    git_state,
    identity_of,
    read_record,
    verify_folder,
    write_record,
)
from overopt.engine.stage import Job, Runtime, Stage
from overopt.util.errors import UserError, refusals
from overopt.util.paths import IN_CHECKOUT, ROOT
from overopt.util.peak_memory import peak_megabytes, reset_peak

if TYPE_CHECKING:  # torch comes with it; who only asks what is there need not wait for it
    from overopt.engine.checkpoint import Checkpoint

RECORDED_PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "scipy", "polars")


def store_root() -> Path:
    """`$OVEROPT_STORE`, or the folder `store` of the checkout, or one among the user's data without a checkout."""
    default = ROOT if IN_CHECKOUT else user_data_path("overopt")
    return Path(os.environ.get("OVEROPT_STORE") or default / "store")


class Store:
    """A folder of results, one sub-folder a kind of stage; `elsewhere` says by key which are in other folders."""

    def __init__(self, root: Path, elsewhere: Mapping[str, Path] | None = None) -> None:
        self.root, self.elsewhere = root, elsewhere or {}
        self.computed: set[str] = set()  # keys of what `compute` computed, and did not find
        self._verified: set[str] = set()

    def folder(self, stage: Stage) -> Path:
        """Where the published result of `stage` is, or would be."""
        return self.elsewhere.get(stage.key, self.root / stage.name / stage.key[:24])

    def work_folder(self, stage: Stage) -> Path:
        """Where an unfinished result of `stage` is, or would be."""
        return self.folder(stage).with_suffix(".work")

    def lock_file(self, stage: Stage) -> Path:
        """What the process that computes `stage` holds locked."""
        return self.folder(stage).with_suffix(".work.lock")

    def checkpoint_folder(self, stage: Stage) -> Path:
        """Where a run of `stage` that was stopped left its state, if it has any."""
        return self.folder(stage).with_suffix(".checkpoint")

    def problem(self, stage: Stage) -> str | None:
        """Why the result of `stage` cannot be used: None if it verifies, "missing" if it was never published."""
        if stage.key in self._verified:
            return None
        folder = self.folder(stage)
        # an empty folder: workflow engines make those of the files they expect
        if not folder.is_dir() or not any(folder.iterdir()):
            return "missing"
        found = verify_folder(folder)
        if found is None:
            record = read_record(folder)
            if identity_of(record) == json.loads(canonical_json(stage.identity)):
                self._verified.add(stage.key)
                return None
            found = f"{folder / RECORD}: found the record of another result"
        return found

    def unfinished(self, stages: Iterable[Stage]) -> list[Stage]:
        """The stages without a result that verifies, missing or damaged, in their order."""
        return [stage for stage in stages if self.problem(stage)]

    def path(self, stage: Stage) -> Path:
        """The verified folder of `stage`.

        Raises:
            UserError: if it is missing or does not verify.
        """
        problem = self.problem(stage)
        if problem:
            raise UserError(f"result {stage.title!r}: {problem}; expected a published result that verifies")
        return self.folder(stage)

    def compute(self, stage: Stage, runtime: Runtime) -> Path:
        """The verified folder of `stage`, computing and publishing it if it is missing or damaged.

        Parents must be there. Two processes that ask for the same stage take turns: the second finds it done.

        Raises:
            UserError: if the system refuses to read or write (no space, no permission), or a parent is missing.
        """
        folder, work = self.folder(stage), self.work_folder(stage)

        def say(refusal: OSError, reason: str) -> str:
            place = f" ({refusal.filename})" if refusal.filename else ""
            return (
                f"store {self.root}: {reason}{place} while computing {stage.title!r}; expected a "
                "folder that can be written, with room left; what was finished is kept"
            )

        with refusals(say):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.lock_file(stage)):
                shutil.rmtree(work, ignore_errors=True)  # of a process that was killed
                problem = self.problem(stage)
                if problem is None:
                    return folder
                if problem != "missing":
                    shutil.rmtree(folder)
                work.mkdir()
                try:
                    self._run(stage, work, runtime)
                    os.rename(work, folder)
                finally:
                    shutil.rmtree(work, ignore_errors=True)  # half a result only takes room
                shutil.rmtree(self.checkpoint_folder(stage), ignore_errors=True)
        self.computed.add(stage.key)
        return folder

    def job(
        self,
        stage: Stage,
        out: Path,
        runtime: Runtime,
        progress: Callable[[int, int], None],
        checkpoint: "Checkpoint",
    ) -> Job[Mapping[str, Any]]:
        """What `stage` is given when it runs; its parents are verified."""
        parents = {role: self.path(parent) for role, parent in stage.parents.items()}
        keys = {"self": stage.key} | {role: parent.key for role, parent in stage.parents.items()}
        return Job(stage.spec, parents, out, runtime, progress, keys, checkpoint)

    def _run(self, stage: Stage, work: Path, runtime: Runtime) -> None:
        from overopt.engine.checkpoint import Checkpoint

        started, clock = time.time(), time.monotonic()
        reset_peak(runtime.device)
        checkpoint = Checkpoint(self.checkpoint_folder(stage))
        stage.run(self.job(stage, work, runtime, reporter(work), checkpoint))
        remove_progress(work)
        about = {
            **stage.identity,
            "key": stage.key,
            "title": stage.title,
            "started": round(started, 1),
            "seconds": round(time.monotonic() - clock, 2),
            "peak_memory_mb": peak_megabytes(runtime.device),
            "device": runtime.device,
            "machine": platform.machine(),
            "python": platform.python_version(),
            "packages": {name: version(name) for name in RECORDED_PACKAGES},
            "git": git_state(),
        }
        write_record(work, about)


def held(lock: Path) -> bool:
    """Whether a living process holds the lock: that of a dead one is free, whatever files it left."""
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False  # a store that cannot be written: nobody computes in it
