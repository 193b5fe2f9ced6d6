"""The record of a result: what it is, how it came to be, the SHA-256 of each of its files and of itself."""

import hashlib
import json
import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from overopt.util.download import sha256_of
from overopt.util.paths import IN_CHECKOUT, ROOT

RECORD = "record.json"


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values, equal text.

    Raises:
        ValueError: on NaN or infinity, which JSON lacks.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def sha256_of_json(value: Any) -> str:
    """Hex SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def write_record(folder: Path, values: dict[str, Any]) -> None:
    """Record `values` and the SHA-256 of every file in `folder`, where there is no record yet."""
    files = {str(p.relative_to(folder)): sha256_of(p) for p in sorted(folder.rglob("*")) if p.is_file()}
    record = values | {"files": files}
    record["sha256"] = sha256_of_json(record)
    (folder / RECORD).write_text(json.dumps(record, indent=1, sort_keys=True))


def read_record(folder: Path) -> dict[str, Any]:
    """The record of a result."""
    return json.loads((folder / RECORD).read_text())


def identity_of(record: dict[str, Any]) -> dict[str, Any]:
    """What the key of a recorded result is made of: see `Stage.identity`."""
    return {name: record.get(name) for name in ("stage", "version", "spec", "parents")}


def costs(records: Iterable[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """What results took, by kind of stage: `seconds` in all, and the most `memory` at once, bytes."""
    found: dict[str, dict[str, float]] = {}
    for record in records:
        cost = found.setdefault(record["stage"], {"seconds": 0.0, "memory": 0.0})
        cost["seconds"] += record["seconds"]
        cost["memory"] = max(cost["memory"], 1e6 * record["peak_memory_mb"])
    return found


def verify_folder(folder: Path) -> str | None:
    """None if the record is whole and every file that it names is there, unchanged, and alone; else what was found."""
    try:
        record = read_record(folder)
        stated, files = record.pop("sha256", None), dict(record["files"])
        found = sha256_of_json(record)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return f"{folder / RECORD}: found no readable record"
    if found != stated:
        return f"{folder / RECORD}: found another SHA-256 than the record states of itself"
    present = {str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir()} - {RECORD}
    for name in sorted(set(files) | present):
        path = folder / name
        if name not in files:
            return f"{path}: not in the record"
        if not path.is_file():
            return f"{path}: missing"
        try:
            if sha256_of(path) != files[name]:
                return f"{path}: found another SHA-256 than its record states"
        except OSError as error:
            return f"{path}: could not be read ({error.strerror or error})"
    return None


def verify_result(folder: Path, key: str) -> str | None:
    """None if `folder` holds the result of `key`, or of one that starts so, and verifies; else what was found."""
    problem = verify_folder(folder)
    if problem is not None:
        return problem
    record = read_record(folder)
    own = sha256_of_json(identity_of(record))
    if own != record.get("key") or not own.startswith(key):
        return f"{folder / RECORD}: found the record of another result"
    return None


def result_folders(root: Path) -> list[Path]:
    """The folders of all results that lie under `root` by kind of stage and key."""
    return sorted(path for path in root.glob("*/*") if path.is_dir() and not path.suffix)


def git_state() -> dict[str, Any]:
    """Commit of the project and whether tracked files differ from it; null where nobody can know.

    A package that pip installed from a repository knows its commit; one from an archive does not.
    """
    if not IN_CHECKOUT:
        return {"commit": _installed_commit(), "changed": None}

    def git(*words: str) -> str | None:
        done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else None

    try:
        top = git("rev-parse", "--show-toplevel")
        if top is None or Path(top).resolve() != ROOT:  # an unpacked archive, maybe inside another repository
            return {"commit": None, "changed": None}
        commit, changes = git("rev-parse", "HEAD"), git("status", "--porcelain", "--untracked-files=no")
    except FileNotFoundError:
        return {"commit": None, "changed": None}
    return {"commit": commit, "changed": bool(changes) if changes is not None else None}


def _installed_commit() -> str | None:
    """What pip wrote down of `pip install "overopt @ git+..."` (PEP 610)."""
    try:
        source = json.loads(distribution("overopt").read_text("direct_url.json") or "{}")
    except PackageNotFoundError:
        return None
    return source.get("vcs_info", {}).get("commit_id")
