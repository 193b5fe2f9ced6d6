"""Published stages: results that come with the package, because to compute them takes long and to keep them little.

They lie as in a store, `<kind>/<start of key>/` with `record.json` and files, and are only read. A manifest beside them,
committed like code, holds the SHA-256 of every record under its key: a folder that was exchanged whole verifies by its
own record, but not by the manifest.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from overopt.engine.record import RECORD, read_record, result_folders, verify_result
from overopt.engine.stage import Stage
from overopt.util.download import sha256_of
from overopt.util.errors import UserError, refusals
from overopt.util.files import replacing
from overopt.util.paths import PACKAGE

PUBLISHED = PACKAGE / "published"
MANIFEST = "manifest.json"
KEY_DIGITS = 24  # of a key, in the name of a folder


def folder_of(root: Path, stage: Stage) -> Path:
    """Where the result of `stage` is under `root`, or would be."""
    return root / stage.name / stage.key[:KEY_DIGITS]


def is_absent(folder: Path) -> bool:
    """Whether there is no result at all; workflow engines make empty folders of the files they expect."""
    return not folder.is_dir() or not any(folder.iterdir())


class PublishedStages:
    """The published stages in a folder, that of the package by default."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or PUBLISHED

    def folder(self, stage: Stage) -> Path:
        """Where `stage` is, if it is published."""
        return folder_of(self.root, stage)

    def problem(self, stage: Stage) -> str | None:
        """Why `stage` cannot be used: None if it verifies, "missing" if it is not published, else what was found.

        Raises:
            UserError: if the manifest cannot be read.
        """
        folder = self.folder(stage)
        if is_absent(folder):
            named = stage.key in self._manifest
            return f"{folder}: missing, though {MANIFEST} names it" if named else "missing"
        return self._problem(folder, stage.key)

    def damaged(self) -> list[str]:
        """One sentence for each published stage that does not verify: what was found, and where."""
        keys = {key[:KEY_DIGITS]: key for key in self._manifest}
        folders = {folder.name: folder for folder in result_folders(self.root)}
        problems = [self._problem(folder, keys.get(name, "")) for name, folder in folders.items()]
        gone = [
            f"{self.root / MANIFEST}: names {name}, which is missing" for name in keys if name not in folders
        ]
        return [problem for problem in problems if problem is not None] + gone

    def publish(self, results: Mapping[Path, Stage]) -> None:
        """Copy verified results, each a folder and the stage that it is of, and name them in the manifest.

        Lines of the manifest whose folders were deleted go.

        Raises:
            UserError: if a result was computed by code that no commit holds (nothing is copied), or the system refuses.
        """
        for result, stage in results.items():
            git = read_record(result)["git"]
            if git["commit"] is None or git["changed"] is not False:
                raise UserError(
                    f"{result / RECORD}: found that {stage.title!r} was computed by code that differs from every commit, "
                    "expected code as it is committed: commit, delete this result, and run the study again"
                )
        lines = dict(self._manifest)
        with refusals(lambda _, reason: f"{self.root}: {reason}; expected a folder that can be written"):
            for result, stage in results.items():
                _copy(result, self.folder(stage))
                lines[stage.key] = sha256_of(result / RECORD)
            there = {folder.name for folder in result_folders(self.root)}
            lines = {key: sha256 for key, sha256 in lines.items() if key[:KEY_DIGITS] in there}
            with replacing(self.root / MANIFEST) as path:
                path.write_text(json.dumps(lines, indent=1, sort_keys=True) + "\n")
        self._manifest = lines

    @cached_property
    def _manifest(self) -> dict[str, str]:
        path = self.root / MANIFEST
        try:
            return dict(json.loads(path.read_text())) if path.is_file() else {}
        except (OSError, ValueError, TypeError) as error:
            raise UserError(
                f"{path}: found no readable manifest, expected the SHA-256 of each record"
            ) from error

    def _problem(self, folder: Path, key: str) -> str | None:
        stated = self._manifest.get(key)
        if stated is None:
            return f"{folder}: found no line of it in {MANIFEST}, expected the SHA-256 of its record"
        problem = verify_result(folder, key)
        if problem is None and sha256_of(folder / RECORD) != stated:
            return f"{folder / RECORD}: found another record than the one that {MANIFEST} names"
        return problem


def _copy(result: Path, folder: Path) -> None:
    """Whole or not at all, in the place of what may be there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, suffix=".work") as scratch:
        copy = Path(scratch) / "copy"
        shutil.copytree(result, copy)
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(copy, folder)
