"""The stages that a world starts with, and what those that follow need to know of it."""

from dataclasses import dataclass, field
from typing import Any

from overopt.engine.stage import Stage


@dataclass(frozen=True)
class World:
    """Stages that others build on.

    prompting: what a stage needs to know to draw prompts and complete them; wrapping: how prompts become tokens, where
    that is not as sentences of the world `reviews`; drawing: with what a policy that nothing trains draws, where not with
    transformers; reading: how models are kept that only read, where not in float32.
    """

    corpus: Stage
    tokenizer: Stage
    models: dict[str, Stage]
    golds: dict[str, Stage]
    prompting: dict[str, Any]
    wrapping: dict[str, Any] = field(default_factory=dict)
    drawing: dict[str, Any] = field(default_factory=dict)
    reading: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> dict[str, Stage]:
        """Parents of a stage that reads sentences or prompts."""
        return {"corpus": self.corpus, "tokenizer": self.tokenizer}

    @property
    def judged(self) -> dict[str, Stage]:
        """Parents of a stage that asks gold."""
        return {"tokenizer": self.tokenizer, **self.golds}
