"""Which model a name stands for: the SHA-256 of a folder's files, or the commit of a repository of the hub.

A result that was made with a model is found again by this, so that a checkpoint that was trained on is another model.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from transformers.utils import cached_file
from transformers.utils.hub import extract_commit_hash

from overopt.util.download import sha256_of
from overopt.util.errors import UserError, refusals

DESCRIPTIONS = ("config.json", "adapter_config.json")
# what a trainer leaves beside the weights, and no model is read from: often larger than they are
OF_TRAINERS = (".*", "optimizer*", "scheduler*", "rng_state*", "trainer_state.json", "training_args.bin")
FOLDERS_OF_TRAINERS = (".*", "checkpoint-*", "global_step*", "runs", "wandb")


@dataclass(frozen=True)
class ModelFiles:
    """The files of a model at the time that it was first asked for; `commit` is null for a folder.

    >>> ModelFiles.of("sft").commit, sorted(ModelFiles.of("sft").identity)
    (None, ['files'])
    """

    name: str
    folder: Path
    commit: str | None
    seen: Mapping[Path, tuple[int, int]] = field(repr=False)  # size, nanosecond of the last change

    @staticmethod
    def of(name: str) -> "ModelFiles":
        """A folder, or a model of the hub by its id.

        Raises:
            UserError: if there is neither.
        """
        if Path(name).is_dir():
            folder, commit = Path(name), None
            if not any((folder / description).is_file() for description in DESCRIPTIONS):
                raise UserError(f"model {name}: found no {' or '.join(DESCRIPTIONS)} in it, expected a model")
        else:
            described = _described(name)
            folder, commit = described.parent, extract_commit_hash(str(described), None)
        return ModelFiles(name, folder, commit, _seen(folder))

    @cached_property
    def beneath(self) -> "ModelFiles | None":
        """The model that adapters are put on; None for a whole model.

        Raises:
            UserError: if it is not there, or the adapters do not say which it is.
        """
        said = self.folder / "adapter_config.json"
        if not said.is_file():
            return None
        try:
            name = json.loads(said.read_text()).get("base_model_name_or_path")
        except (OSError, ValueError, AttributeError) as error:
            raise UserError(f"model {self.name}: found {said} unreadable ({error}), expected JSON") from None
        return ModelFiles.of(name) if name else None

    @cached_property
    def identity(self) -> dict[str, Any]:
        """JSON that is another for another model: `files` with their SHA-256, or `commit`; what adapters are put on.

        Raises:
            UserError: if a file cannot be read, or as `beneath`.
        """
        own: dict[str, Any] = {"commit": self.commit}
        if self.commit is None:
            with refusals(
                lambda error, reason: (
                    f"model {self.name}: {reason} ({error.filename}), expected a model that can be read"
                )
            ):
                own = {
                    "files": {
                        str(path.relative_to(self.folder)): _sha256(path, *seen)
                        for path, seen in self.seen.items()
                    }
                }
        return own | ({"adapts": self.beneath.identity} if self.beneath else {})

    def check_unchanged(self) -> None:
        """Call it when the model is loaded, which may be hours after its files were read for `identity`.

        Raises:
            UserError: if a file has changed since, or one came or went.
        """
        if self.commit is None and _seen(self.folder) != self.seen:
            raise UserError(
                f"model {self.name}: found files that changed after this run had begun, expected a model that nobody "
                "is writing; run the same command again"
            )
        if self.beneath is not None:
            self.beneath.check_unchanged()


@cache
def _sha256(path: Path, size: int, changed: int) -> str:
    """Of a file that has this size, and was last changed then: many adapters are put on one model."""
    return sha256_of(path)


def _described(name: str) -> Path:
    """The file that describes a model of the hub, from the cache or fetched."""
    reasons = []
    for description in DESCRIPTIONS:
        try:
            found = cached_file(name, description)
        except (OSError, ValueError) as error:
            reasons.append(str(error).strip().splitlines()[0])
        else:
            if found is not None:
                return Path(found)
    reason = reasons[0] if reasons else f"no {DESCRIPTIONS[0]}"
    raise UserError(f"model {name}: expected a model, by hub id or as a folder; found: {reason}")


def _seen(folder: Path) -> dict[Path, tuple[int, int]]:
    """Every file that a model may be read from, with its size and time, in the order of their names."""
    found = {}
    for path in sorted(folder.rglob("*")):
        *above, last = path.relative_to(folder).parts
        of_trainer = any(fnmatch(last, pattern) for pattern in OF_TRAINERS) or any(
            fnmatch(part, pattern) for part in above for pattern in FOLDERS_OF_TRAINERS
        )
        if path.is_file() and not of_trainer:
            at = path.stat()
            found[path] = (at.st_size, at.st_mtime_ns)
    return found
