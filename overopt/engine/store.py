"""Results kept by content: compute once, publish in one rename, verify before every use.

A result's key is the SHA-256 of what it is (stage, version, spec, keys of its parents), so a change of any of
them is another result. Work happens in `<key>.work`, locked against other processes; `record.json`, written
last, holds the SHA-256 of every file and its own; a rename publishes the folder. A folder that does not verify is never
used: it is removed and computed again. What a store lacks may be a published stage, which comes with the package.
"""

import os
import platform
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from platformdirs import user_data_path

from overopt.engine.progress import remove_progress, reporter
from overopt.engine.published import PublishedStages, folder_of, is_absent
from overopt.engine.record import git_state, verify_result, write_record
from overopt.engine.stage import Job, Runtime, Stage
from overopt.util.errors import UserError, refusals
from overopt.util.paths import IN_CHECKOUT, ROOT
from overopt.util.peak_memory import peak_megabytes, reset_peak

if TYPE_CHECKING:  # torch comes with it; who only asks what is there need not wait for it
    from overopt.engine.checkpoint import Checkpoint

RECOMPUTE = "OVEROPT_RECOMPUTE"  # environment variable: use nothing that comes computed with the project
RECORDED_PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "scipy", "polars")


def store_root() -> Path:
    """`$OVEROPT_STORE`, or the folder `store` of the checkout, or one among the user's data without a checkout."""
    default = ROOT if IN_CHECKOUT else user_data_path("overopt")
    return Path(os.environ.get("OVEROPT_STORE") or default / "store")


class Store:
    """A folder of results, one sub-folder a kind of stage; `elsewhere` says by key which are in other folders.

    What it lacks is found among the published stages, unless `published` is False or `$OVEROPT_RECOMPUTE` is set.
    """

    def __init__(
        self, root: Path, elsewhere: Mapping[str, Path] | None = None, *, published: bool = True
    ) -> None:
        self.root, self.elsewhere = root, elsewhere or {}
        self.computed: set[str] = set()  # keys of what `compute` computed, and did not find
        self._published = PublishedStages() if published and not os.environ.get(RECOMPUTE) else None
        self._verified: dict[str, Path] = {}

    def folder(self, stage: Stage) -> Path:
        """Where the result of `stage` is in this store, or would be; `path` says where one is that can be used."""
        return self.elsewhere.get(stage.key, folder_of(self.root, stage))

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
        """Why the result of `stage` cannot be used: None if it verifies, "missing" if there is none, else what was found."""
        if stage.key in self._verified:
            return None
        folder = self.folder(stage)
        if not is_absent(folder):
            problem = verify_result(folder, stage.key)
        elif self._published is not None:
            folder, problem = self._published.folder(stage), self._published.problem(stage)
        else:
            problem = "missing"
        if problem is None:
            self._verified[stage.key] = folder
        return problem

    def is_published(self, stage: Stage) -> bool:
        """Whether the result of `stage` that is used comes with the package."""
        return self.problem(stage) is None and self._verified[stage.key] != self.folder(stage)

    def unfinished(self, stages: Sequence[Stage]) -> list[Stage]:
        """The stages, parents first, that are to be computed: missing and needed, or damaged."""
        needless = self.needless(stages)
        return [stage for stage in stages if stage.key not in needless and self.problem(stage)]

    def needless(self, stages: Sequence[Stage]) -> set[str]:
        """Keys of the stages, parents first, that are missing and that only published ones are made from."""
        made_from: dict[str, list[Stage]] = {}
        for stage in stages:
            for role, parent in stage.parents.items():
                if role not in stage.optional:
                    made_from.setdefault(parent.key, []).append(stage)
        found: set[str] = set()
        for stage in reversed(stages):
            children = made_from.get(stage.key)
            if (
                children
                and self.problem(stage) == "missing"
                and all(child.key in found or self.is_published(child) for child in children)
            ):
                found.add(stage.key)
        return found

    def path(self, stage: Stage) -> Path:
        """The verified folder of `stage`.

        Raises:
            UserError: if it is missing or does not verify.
        """
        problem = self.problem(stage)
        if problem:
            raise UserError(f"result {stage.title!r}: {problem}; expected a result that verifies")
        return self._verified[stage.key]

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
                if self.problem(stage) is not None and not is_absent(folder):
                    shutil.rmtree(folder)  # damaged
                if self.problem(stage) is None:
                    return self.path(stage)
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
        """What `stage` is given when it runs; its parents are verified, and optional ones may be missing."""
        parents = {
            role: self.path(parent)
            for role, parent in stage.parents.items()
            if role not in stage.optional or self.problem(parent) != "missing"
        }
        keys = {"self": stage.key} | {role: parent.key for role, parent in stage.parents.items()}
        published = frozenset(role for role, parent in stage.parents.items() if self.is_published(parent))
        return Job(stage.spec, parents, out, runtime, progress, keys, checkpoint, published)

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
