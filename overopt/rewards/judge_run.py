"""A long run of `overopt judge`: what is measured of each policy is kept at once, and not measured again."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from overopt.engine.in_turn import run_in_turn
from overopt.engine.stage import Runtime, Stage
from overopt.engine.store import Store
from overopt.engine.time_left import LONGEST
from overopt.models.identity import ModelFiles
from overopt.rewards.judge_models import JudgeModels
from overopt.rewards.judge_question import Judge, Question
from overopt.rewards.judge_stages import policy_stages
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
        judges: Mapping[str, Judge],
        question: Question,
        kept: Path,
        *,
        show: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Models by hub id or folder; judges: `gold`, and if there is one `proxy`; kept: the folder of results.

        show: told how each judge reads, before it does: see `overopt.measure`.

        Raises:
            UserError: if a model is not there, or vLLM is asked for and cannot be used.
        """
        self.question, self.store = question, Store(kept, published=False)
        self.models = JudgeModels(ModelFiles.of(base), judges, question)
        found = [("base", self.models.base_files), *((name, ModelFiles.of(name)) for name in policies)]
        if question.sampler == "vllm":
            _refuse_vllm([files for _, files in found])
        waiting = SlowProgress(longest=LONGEST)
        self.policies = []
        for k, (name, files) in enumerate(found, 1):  # large files are read for seconds
            waiting.say(f"[{k}/{len(found)}] {name}: reading its files to know them again")
            self.policies.append(policy_stages(name, files, self.models, show))

    def there(self) -> int:
        """Of how many policies, the base one among them, everything is kept already."""
        return sum(not self._missing(one) for one in self.policies)

    def table(self, runtime: Runtime) -> pl.DataFrame:
        """Measure what is not kept, and return the table: see `overopt.measure` for its columns.

        Raises:
            UserError: as `overopt.measure`; if a model cannot be used, or its files change meanwhile; or if a result
                cannot be written.
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
        self.models.prompts  # noqa: B018
        if self.question.sampler != "vllm":
            for kind in self.models.judges:
                self.models.scorer(kind, device)


def _refuse_vllm(policies: Iterable[ModelFiles]) -> None:
    """Where vLLM would draw from something else, or in vain.

    Raises:
        UserError: if there are several processes, or a policy is adapters, which only `load_policy` adds into weights.
    """
    if processes.launched():
        raise UserError(
            "sampler: found vllm in several processes, expected one: vLLM starts its own; leave out `accelerate launch`"
        )
    for policy in policies:
        if policy.beneath is not None:
            raise UserError(
                f"sampler: found vllm and a policy that is adapters, {policy.name}, expected whole models, or the sampler "
                "transformers"
            )
