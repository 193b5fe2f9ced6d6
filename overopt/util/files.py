"""Files that are either there and whole, or not there."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from overopt.util.errors import UserError, refusals


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; it becomes `path` if the block ends well, else nothing is left.

    Raises:
        UserError: if the system refuses (no such folder, no space, no permission), in its words.
    """
    if not path.parent.is_dir():
        raise UserError(f"{path}: found no folder {path.parent}, expected one to write to")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with refusals(
            lambda _, reason: f"{path}: could not be written ({reason}), expected a writable place"
        ):
            yield temporary
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Indented JSON."""
    path.write_text(json.dumps(value, indent=1, allow_nan=False))


def read_json(path: Path) -> Any:
    """What `write_json` wrote."""
    return json.loads(path.read_text())
