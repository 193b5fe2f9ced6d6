"""The policy of a stage that optimises one: loaded to learn, run while it is watched, and saved."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from transformers import PreTrainedModel

from overopt.engine.stage import Job
from overopt.models.build import load_language_model, save_model
from overopt.models.precision import frozen_dtype
from overopt.optimisers import ppo, rejection
from overopt.optimisers.ppo_run import PPORun
from overopt.plan.stage_specs import Optimising
from overopt.stages.recorder import Recorder

if TYPE_CHECKING:
    from overopt.training.lora import Adapted


@dataclass(frozen=True)
class Learner:
    """The policy that learns in place, and the policy as it was; adapted: its adapters, where they alone learn."""

    policy: PreTrainedModel
    reference: PreTrainedModel
    adapted: "Adapted | None"

    def save(self, out: Path) -> None:
        """The policy, adapters merged into it."""
        save_model(self.adapted.merged() if self.adapted else self.policy, out)


def load_learner(job: Job[Optimising]) -> Learner:
    """The parent `policy` twice: to learn, through adapters where the spec says so, and to compare with."""
    spec, device, folder = job.spec, job.runtime.device, job.parents["policy"] / "model"
    policy = load_language_model(folder, device)
    if not spec.lora:
        return Learner(policy, load_language_model(folder, device, frozen_dtype(spec.frozen)), None)
    from overopt.training.lora import Adapted  # a study without it does not wait for peft

    adapted = Adapted(policy, spec.lora, spec.seed)
    return Learner(adapted.policy, adapted.reference(), adapted)


def run_watched(
    job: Job[Optimising], trainer: ppo.Trainer | rejection.Trainer, recorder: Recorder, learner: Learner
) -> None:
    """Train to the end, with a look of the recorder's wherever one is due; curve, texts and policy into the job's folder."""
    run = PPORun(
        trainer,
        recorder.evaluator(learner.reference),
        kept=recorder.kept,
        checkpoint=job.checkpoint,
        progress=job.progress,
    )
    for evaluation in run:
        recorder.look(evaluation)
    recorder.write()
    learner.save(job.out)
