"""Results kept by content: compute once, publish in one rename, verify before every use.

A result's key is the SHA-256 of what it is (stage, version, spec, keys of its parents), so a change of any of
them is another result. Work happens in `<key>.work`, locked against other processes; `record.json`, written
last, names every file with its SHA-256; a rename publishes the folder. A folder that does not verify is never
used: it is set aside and computed again.
"""

import hashlib
import json
import os
import platform
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock

from overopt.checkpoint import Checkpoint
from overopt.download import sha256_of
from overopt.errors import UserError
from overopt.study import ROOT

RECORDED_PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "scipy", "polars")


@dataclass(frozen=True)
class Stage:
    """One result to compute: a name, what it depends on, and the function that makes it.

    name: kind of result ("proxy"); title: one instance, for people ("proxy 1k, 4096 pairs, seed 0");
    version: bumped by hand when the meaning of the function changes; spec: JSON values only; parents: by role.
    `run(job)` writes its files into `job.out`.
    """

    name: str
    title: str
    version: int
    spec: Mapping[str, Any]
    parents: Mapping[str, "Stage"]
    run: Callable[["Job"], None] = field(compare=False)

    @cached_property
    def key(self) -> str:
        """SHA-256 (hex) of the canonical JSON of name, version, spec and parents' keys."""
        return hashlib.sha256(canonical_json(self.identity).encode()).hexdigest()

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
class Job:
    """What a stage function sees: its spec, its parents' folders, where to write, how to run and report."""

    spec: Mapping[str, Any]
    parents: Mapping[str, Path]
    out: Path
    runtime: Runtime
    progress: Callable[[int, int], None]
    keys: Mapping[str, str]
    checkpoint: Checkpoint


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values, equal text.

    Raises:
        ValueError: on NaN or infinity, which JSON lacks.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


class Store:
    """A folder of results, one sub-folder a kind of stage."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._verified: set[str] = set()

    def folder(self, stage: Stage) -> Path:
        """Where the published result of `stage` is, or would be."""
        return self.root / stage.name / stage.key[:24]

    def work_folder(self, stage: Stage) -> Path:
        """Where an unfinished result of `stage` is, or would be."""
        return self.folder(stage).with_suffix(".work")

    def lock_file(self, stage: Stage) -> Path:
        """What the process that computes `stage` holds locked."""
        return self.folder(stage).with_suffix(".work.lock")

    def problem(self, stage: Stage) -> str | None:
        """Why the result of `stage` cannot be used: None if it verifies, "missing" if it was never published."""
        if stage.key in self._verified:
            return None
        folder = self.folder(stage)
        if not folder.is_dir():
            return "missing"
        found = verify_folder(folder)
        if found is None:
            record = read_record(folder)
            if identity_of(record) == json.loads(canonical_json(stage.identity)):
                self._verified.add(stage.key)
                return None
            found = f"{folder / 'record.json'}: found the record of another result"
        return found

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
            UserError: if the store cannot be written, or a parent is missing.
        """
        folder, work = self.folder(stage), self.work_folder(stage)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.lock_file(stage)):
                problem = self.problem(stage)
                if problem is None:
                    return folder
                if problem != "missing":
                    shutil.rmtree(folder)
                checkpoint = Checkpoint(folder.with_suffix(".checkpoint"))
                shutil.rmtree(work, ignore_errors=True)
                work.mkdir()
                self._run(stage, work, runtime, checkpoint)
                os.rename(work, folder)
                shutil.rmtree(checkpoint.folder, ignore_errors=True)
        except OSError as error:
            raise UserError(
                f"store {self.root}: {error.strerror or error} while computing {stage.title!r}; "
                "expected a folder that can be written, with room left"
            ) from error
        return folder

    def _run(self, stage: Stage, work: Path, runtime: Runtime, checkpoint: Checkpoint) -> None:
        started, clock = time.time(), time.monotonic()
        parents = {role: self.path(parent) for role, parent in stage.parents.items()}
        keys = {"self": stage.key} | {role: parent.key for role, parent in stage.parents.items()}
        stage.run(Job(stage.spec, parents, work, runtime, _progress_file(work), keys, checkpoint))
        (work / "progress.json").unlink(missing_ok=True)
        files = {str(p.relative_to(work)): sha256_of(p) for p in sorted(work.rglob("*")) if p.is_file()}
        record = {
            **stage.identity,
            "key": stage.key,
            "title": stage.title,
            "files": files,
            "started": round(started, 1),
            "seconds": round(time.monotonic() - clock, 2),
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "device": runtime.device,
            "machine": platform.machine(),
            "python": platform.python_version(),
            "packages": {name: version(name) for name in RECORDED_PACKAGES},
            "git": git_state(),
        }
        (work / "record.json").write_text(json.dumps(record, indent=1, sort_keys=True))


def read_record(folder: Path) -> dict[str, Any]:
    """The record of a published result."""
    return json.loads((folder / "record.json").read_text())


def identity_of(record: dict[str, Any]) -> dict[str, Any]:
    """What the key of a recorded result is made of: see `Stage.identity`."""
    return {name: record.get(name) for name in ("stage", "version", "spec", "parents")}


def verify_folder(folder: Path) -> str | None:
    """None if every file that the record names is there, unchanged, and alone; else what was found."""
    try:
        files = read_record(folder)["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return f"{folder / 'record.json'}: found no readable record"
    present = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} - {"record.json"}
    for name in sorted(set(files) | present):
        if name not in present:
            return f"{folder / name}: missing"
        if name not in files:
            return f"{folder / name}: not in the record"
        if sha256_of(folder / name) != files[name]:
            return f"{folder / name}: found another SHA-256 than its record states"
    return None


def _progress_file(work: Path) -> Callable[[int, int], None]:
    """Writes done and total to `progress.json` at most twice a second, for whoever displays them."""
    last = 0.0

    def report(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > 0.5:
            last = now
            scratch = work / "progress.json.tmp"
            scratch.write_text(json.dumps({"done": done, "total": total}))
            os.replace(scratch, work / "progress.json")

    return report


def git_state() -> dict[str, Any]:
    """Commit of the project and whether tracked files differ from it; `commit` is null outside git."""

    def git(*words: str) -> str | None:
        done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else None

    try:
        commit, changes = git("rev-parse", "HEAD"), git("status", "--porcelain", "--untracked-files=no")
    except FileNotFoundError:
        return {"commit": None, "changed": None}
    return {"commit": commit, "changed": bool(changes) if changes is not None else None}
