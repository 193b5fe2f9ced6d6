"""What is measured of a policy, as stages that a store keeps: its samples, their KL from the base policy, their scores.

A stage's key holds the identity of every model that it depends on (`overopt.models.identity`), of the prompts, every setting
and the versions of the libraries: a change of any of them asks for another result, and never finds the old one.
Bump VERSION where the meaning of a stage changes.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from overopt.engine.stage import Job, Stage
from overopt.models.identity import ModelFiles
from overopt.models.log_probs import KL, sample_kl
from overopt.models.samples import Samples
from overopt.models.sampling import sample_many
from overopt.models.seeding import generator
from overopt.models.text_reward import RewardModel
from overopt.models.vllm import draw_and_release
from overopt.models.vocabulary import with_one_end
from overopt.models.written import scores_of, written
from overopt.rewards.judge import STREAM, checked_scores
from overopt.rewards.judge_models import JudgeModels
from overopt.rewards.judge_table import Measured, base_scale
from overopt.util import processes
from overopt.util.seeds import derive

VERSION = 1


@dataclass(frozen=True)
class PolicyStages:
    """The stages of one policy: `scores` by kind of judge, in their order."""

    name: str
    samples: Stage
    kl: Stage
    scores: Mapping[str, Stage]

    def __iter__(self) -> Iterator[Stage]:
        return iter([self.samples, self.kl, *self.scores.values()])

    def read(self, folder_of: Callable[[Stage], Path]) -> Measured:
        """What they measured, from where their results are."""
        drawn = Samples.load(folder_of(self.samples) / "samples.safetensors")
        kl = load_file(folder_of(self.kl) / "kl.safetensors")
        scores = {
            kind: np.asarray(load_file(folder_of(stage) / "scores.safetensors")["scores"])
            for kind, stage in self.scores.items()
        }
        return Measured(KL(kl["exact"], kl["k1"], kl["k3"]), scores, drawn.lengths)


def policy_stages(
    name: str, policy: ModelFiles, models: JudgeModels, show: Callable[[str], None] = lambda line: None
) -> PolicyStages:
    """The stages of one policy; `name` is for people alone. `show` is told how each judge reads, before it does.

    Raises:
        UserError: if the files of a model cannot be read, or vLLM is asked for and not installed.
    """
    asked = {"question": models.question.identity, "base": models.base_files.identity}
    drawn = Stage(
        "judged_samples",
        f"{name}: samples",
        VERSION,
        asked | {"policy": policy.identity},
        {},
        partial(_draw, models=models, policy=policy),
    )

    def of_samples(kind: str, what: str, spec: dict[str, Any], run: Callable[..., None]) -> Stage:
        return Stage(kind, f"{name}: {what}", VERSION, asked | spec, {"samples": drawn}, run)

    kl = of_samples("judged_kl", "KL", {}, partial(_measure_kl, models=models, policy=policy))
    scores = {
        kind: of_samples(
            "judged_scores",
            f"{kind} scores",
            {"judge": judge.identity},
            partial(_score, models=models, policy=policy, kind=kind, show=show),
        )
        for kind, judge in models.judges.items()
    }
    return PolicyStages(name, drawn, kl, scores)


def _draw(job: Job[Any], *, models: JudgeModels, policy: ModelFiles) -> None:
    """Completions of every prompt, with the random numbers that all policies share."""
    asked = models.question
    if asked.sampler == "vllm":
        seed, pad = derive(asked.seed, STREAM), models.tokenizer.pad_token_id
        sizes = asked.samples, asked.completion_tokens
        drawn = draw_and_release(policy.name, models.prompts, *sizes, seed=seed, eos=models.ends, pad=pad)
        policy.check_unchanged()
        models.check_tokens(policy, drawn)
    else:
        drawn = sample_many(
            models.policy(policy, job.runtime.device),
            models.prompts,
            asked.samples,
            asked.completion_tokens,
            generator=generator(asked.seed, STREAM),
            batch=job.runtime.batch,
            progress=job.progress,
        )
    drawn.save(job.out / "samples.safetensors")


def _measure_kl(job: Job[Any], *, models: JudgeModels, policy: ModelFiles) -> None:
    """The KL of the policy from the base policy on each of its samples."""
    device = job.runtime.device
    kl = sample_kl(
        models.policy(policy, device),
        models.base(device),
        Samples.load(job.parents["samples"] / "samples.safetensors"),
        batch=job.runtime.batch,
        progress=job.progress,
    )
    save_file(
        {"exact": kl.exact.contiguous(), "k1": kl.k1.contiguous(), "k3": kl.k3.contiguous()},
        job.out / "kl.safetensors",
    )


def _score(
    job: Job[Any], *, models: JudgeModels, policy: ModelFiles, kind: str, show: Callable[[str], None]
) -> None:
    """What one judge says of each sample.

    Raises:
        UserError: if a score is no number, or all of the base policy's are the same: before other policies are measured.
    """
    scorer, asked, tokenizer = models.scorer(kind, job.runtime.device), models.question, models.tokenizer
    samples = Samples.load(job.parents["samples"] / "samples.safetensors")
    mine = processes.dealt(torch.arange(len(samples)))
    finished = with_one_end(samples[mine], models.ends, tokenizer.eos_token_id)
    prompts = [asked.prompts[k // asked.samples] for k in mine.tolist()]
    texts = written(finished, prompts, tokenizer, chat=asked.chat)
    is_base = policy.identity == models.base_files.identity
    if is_base and processes.rank() == 0:
        show(f"{kind}: {scorer.example(texts)}")
    with _counted(scorer, len(mine), job.progress):
        part = checked_scores(kind, scores_of(scorer, texts), len(mine))
    scores = processes.gathered(torch.from_numpy(part), len(samples))
    if is_base:
        base_scale(kind, scores.numpy())
    save_file({"scores": scores}, job.out / "scores.safetensors")


@contextmanager
def _counted(scorer: RewardModel, texts: int, progress: Callable[[int, int], None]) -> Iterator[None]:
    """Inside, `progress` is told what a reward model has read: which texts it reads together is its own affair."""
    done = 0

    def read(module: Any, given: Any, output: Any) -> None:
        nonlocal done
        done += len(output.logits)
        progress(done, texts)

    hook = scorer.model.register_forward_hook(read)
    try:
        yield
    finally:
        hook.remove()
