"""The state of a running stage, kept where a killed run finds it again.

One safetensors file holds tensors and, in its header, JSON values. Its name holds the SHA-256 of its bytes: a file
that was cut off or changed is never used, the stage then starts anew.
"""

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from overopt.util.download import sha256_of

PATTERN = "*.checkpoint"


class Checkpoint:
    """The last saved state in `folder`, if any."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, tensors: Mapping[str, Tensor], values: Any) -> None:
        """Keep `tensors` and `values` (JSON) in the place of what was kept before."""
        self.folder.mkdir(parents=True, exist_ok=True)
        scratch = self.folder / "unfinished"
        save_file(dict(tensors), scratch, metadata={"values": json.dumps(values)})
        before = list(self.folder.glob(PATTERN))
        after = self.folder / f"{sha256_of(scratch)}.checkpoint"
        os.replace(scratch, after)
        for old in before:
            if old != after:
                old.unlink(missing_ok=True)

    def load(self) -> tuple[dict[str, Tensor], Any] | None:
        """What `save` kept last; None if there is nothing, or nothing that verifies."""
        found = sorted(self.folder.glob(PATTERN), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        for path in found:
            try:
                if _verifies(path):
                    with safe_open(path, "pt") as kept:
                        tensors = {name: kept.get_tensor(name) for name in kept.keys()}  # noqa: SIM118
                        return tensors, json.loads(kept.metadata()["values"])
            except (OSError, SafetensorError, ValueError, KeyError, TypeError):
                pass
            logging.getLogger("overopt").warning(
                "%s: found a checkpoint that does not verify; not used", path
            )
        return None


class ReadOnly(Checkpoint):
    """The checkpoint of a stage for a process that does not write."""

    def save(self, tensors: Mapping[str, Tensor], values: Any) -> None:
        """Nothing: process 0 writes."""


def damaged_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints anywhere in `folder` that would not be used."""
    return [path for path in sorted(folder.rglob(PATTERN)) if path.is_file() and not _verifies(path)]


def _verifies(path: Path) -> bool:
    try:
        return sha256_of(path) == path.stem
    except OSError:
        return False
