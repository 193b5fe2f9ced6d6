"""The stages that a world starts with, and what those that follow need to know of it."""

from dataclasses import dataclass

from overopt.engine.stage import Stage
from overopt.plan.stage_specs import Prompting, Wrapping
from overopt.study.pretrained_parts import Sampler


@dataclass(frozen=True)
class World:
    """Stages that others build on.

    models: as they were trained on text; policies: the same as they write, perhaps at another temperature;
    prompting: what a stage needs to know to draw prompts and complete them; sampler: with what a policy that nothing trains
    draws.
    """

    corpus: Stage
    tokenizer: Stage
    models: dict[str, Stage]
    policies: dict[str, Stage]
    golds: dict[str, Stage]
    prompting: Prompting
    sampler: Sampler = "transformers"

    @property
    def text(self) -> dict[str, Stage]:
        """Parents of a stage that reads sentences or prompts."""
        return {"corpus": self.corpus, "tokenizer": self.tokenizer}

    @property
    def judged(self) -> dict[str, Stage]:
        """Parents of a stage that asks gold."""
        return {"tokenizer": self.tokenizer, **self.golds}

    @property
    def wrapping(self) -> Wrapping:
        """The part of `prompting` that a given prompt needs to become tokens."""
        told = self.prompting
        return Wrapping() if told.chat is None else Wrapping(prompt_tokens=told.prompt_tokens, chat=told.chat)
