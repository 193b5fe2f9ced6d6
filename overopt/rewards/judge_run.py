"""A long run of `overopt judge`: what is measured of each policy is kept at once, and not measured again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from overopt.engine.in_turn import run_in_turn
from overopt.engine.stage import Runtime, Stage
from overopt.engine.store import Store
from overopt.engine.time_left import LONGEST
from overopt.models.identity import ModelFiles
from overopt.rewards.judge_models import JudgeModels
from overopt.rewards.judge_stages import Question, policy_stages
from overopt.rewards.judge_table import policy_table
from overopt.util import processes
from overopt.util.errors import UserError
from overopt.util.slow_progress import SlowProgress


class JudgeRun:
    """Policies of a base policy and what is asked of them: `there` says what is kept already, `table` measures the rest.

    The results are the numbers that `overopt.measure` gives for the same models.
    """

    def __init__(
        self,
        policies: Sequence[str],
        base: str,
        scorers: Mapping[str, str],
        question: Question,
        kept: Path,
    ) -> None:
        """Models by hub id or folder; scorers: `gold`, and if there is one `proxy`; kept: the folder of results.

        Raises:
            UserError: if a model is not there, or vLLM is asked for and cannot be used.
        """
        if question.sampler == "vllm" and processes.launched():
            raise UserError(
                "sampler: found vllm in several processes, expected one: vLLM starts its own; leave out `accelerate launch`"
            )
        self.question, self.store = question, Store(kept, published=False)
        self.models = JudgeModels(
            ModelFiles.of(base), {kind: ModelFiles.of(name) for kind, name in scorers.items()}
        )
        found = [("base", self.models.base_files), *((name, ModelFiles.of(name)) for name in policies)]
        waiting = SlowProgress(longest=LONGEST)
        self.policies = []
        for k, (name, files) in enumerate(found, 1):  # large files are read for seconds
            waiting.say(f"[{k}/{len(found)}] {name}: reading its files to know them again")
            self.policies.append(policy_stages(name, files, self.models, question))

    def there(self) -> int:
        """Of how many policies, the base one among them, everything is kept already."""
        return sum(not self._missing(one) for one in self.policies)

    def table(self, runtime: Runtime) -> pl.DataFrame:
        """Measure what is not kept, and return the table: see `overopt.measure` for its columns.

        Raises:
            UserError: if a model cannot be used, a policy has another vocabulary, a prompt is too long, a score is no
                number, or a result cannot be written.
        """
        stages = self._in_turn()
        if self._missing(stages) and not processes.launched():
            self._load(runtime.device)
        groups = {stage.key: one.name for one in self.policies for stage in one}
        runtime = replace(runtime, store=self.store.root)
        run_in_turn(stages, self.store, runtime, name="judge", groups=groups)
        measured = ((one.name, one.read(self.store.path)) for one in self.policies)
        return policy_table(measured, len(self.question.prompts))

    def _missing(self, stages: Iterable[Stage]) -> list[Stage]:
        return [stage for stage in stages if self.store.problem(stage)]

    def _in_turn(self) -> list[Stage]:
        """A policy after another; vLLM draws all samples first, as it takes the memory that other models need."""
        first = [one.samples for one in self.policies] if self.question.sampler == "vllm" else []
        rest = [stage for one in self.policies for stage in one if stage not in first]
        return first + rest

    def _load(self, device: str) -> None:
        """What cannot be used is refused before the work, not after some of it."""
        self.models.tokenizer  # noqa: B018
        if self.question.sampler != "vllm":
            for kind in self.models.scorer_files:
                self.models.scorer(kind, device)
