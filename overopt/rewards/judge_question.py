"""What a run of `overopt judge` asks: the completions of every policy, and who judges them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any, Literal

from overopt.engine.record import sha256_of_json
from overopt.models.identity import ModelFiles
from overopt.models.vllm import installed_version

PACKAGES = ("overopt", "torch", "transformers", "tokenizers", "peft")

Sampler = Literal["transformers", "vllm"]


@dataclass(frozen=True)
class Question:
    """What every policy is asked: `samples` completions of each prompt, of at most `completion_tokens` tokens.

    chat: whether prompts are a user's turn of a chat; seed: of the random numbers; sampler: what draws.
    """

    prompts: Sequence[str]
    samples: int
    completion_tokens: int
    chat: bool = False
    seed: int = 0
    sampler: Sampler = "transformers"

    @cached_property
    def identity(self) -> dict[str, Any]:
        """JSON that is another for another question, or for other libraries.

        Raises:
            UserError: if vLLM is asked for and not installed.
        """
        versions = {name: version(name) for name in PACKAGES}
        if self.sampler == "vllm":
            versions["vllm"] = installed_version()
        told = asdict(self) | {"prompts": sha256_of_json(list(self.prompts))}
        return told | {"dtype": "float32", "packages": versions}


@dataclass(frozen=True)
class Judge:
    """A reward model by hub id or folder, and how it reads: see `overopt.models.text_reward.RewardModel`."""

    name: str
    reads: str = "auto"
    ends: str = "auto"
    logit: str | None = None

    @cached_property
    def files(self) -> ModelFiles:
        """Its files at the time that they were first asked for.

        Raises:
            UserError: if it is not there.
        """
        return ModelFiles.of(self.name)

    @property
    def identity(self) -> dict[str, Any]:
        """JSON that is another for another model, or one that is told to read otherwise."""
        return {"model": self.files.identity, "reads": self.reads, "ends": self.ends, "logit": self.logit}
