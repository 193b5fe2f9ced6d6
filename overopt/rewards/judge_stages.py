"""What is measured of a policy, as stages that a store keeps: its samples, their KL from the base policy, their scores.

A stage's key holds the identity of every model that it depends on (`overopt.models.identity`), of the prompts, every setting
and the versions of the libraries: a change of any of them asks for another result, and never finds the old one.
Bump VERSION where the meaning of a stage changes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from overopt.engine.record import sha256_of_json
from overopt.engine.stage import Job, Stage
from overopt.models.identity import ModelFiles
from overopt.models.log_probs import KL, sample_kl
from overopt.models.pretrained import Scorer, encode
from overopt.models.samples import Samples, decode
from overopt.models.sampling import sample_many
from overopt.models.seeding import generator
from overopt.models.vllm import draw_and_release, installed_version
from overopt.rewards.judge import STREAM, checked_scores
from overopt.rewards.judge_models import JudgeModels
from overopt.rewards.judge_table import Measured, base_scale
from overopt.util import processes
from overopt.util.seeds import derive

VERSION = 1
PACKAGES = ("overopt", "torch", "transformers", "tokenizers")

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

    @property
    def identity(self) -> dict[str, Any]:
        """JSON that is another for another question, or for other libraries."""
        versions = {name: version(name) for name in PACKAGES}
        if self.sampler == "vllm":
            versions["vllm"] = installed_version()
        return {
            "prompts": sha256_of_json(list(self.prompts)),
            "samples": self.samples,
            "tokens": self.completion_tokens,
            "chat": self.chat,
            "seed": self.seed,
            "sampler": self.sampler,
            "dtype": "float32",
            "packages": versions,
        }


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


def policy_stages(name: str, policy: ModelFiles, models: JudgeModels, question: Question) -> PolicyStages:
    """The stages of one policy; `name` is for people alone.

    Raises:
        UserError: if the files of a model cannot be read, or vLLM is asked for and not installed.
    """
    asked = {"question": question.identity, "base": models.base_files.identity}
    drawn = Stage(
        "judged_samples",
        f"{name}: samples",
        VERSION,
        asked | {"policy": policy.identity},
        {},
        partial(_draw, models=models, policy=policy, question=question),
    )

    def of_samples(kind: str, what: str, spec: dict[str, Any], run: Callable[..., None]) -> Stage:
        return Stage(kind, f"{name}: {what}", VERSION, asked | spec, {"samples": drawn}, run)

    kl = of_samples("judged_kl", "KL", {}, partial(_measure_kl, models=models, policy=policy))
    scores = {
        kind: of_samples(
            "judged_scores",
            f"{kind} scores",
            {"scorer": files.identity},
            partial(_score, models=models, policy=policy, kind=kind, question=question),
        )
        for kind, files in models.scorer_files.items()
    }
    return PolicyStages(name, drawn, kl, scores)


def _draw(job: Job[Any], *, models: JudgeModels, policy: ModelFiles, question: Question) -> None:
    """Completions of every prompt, with the random numbers that all policies share."""
    tokens, tokenizer = question.completion_tokens, models.tokenizer
    prompts = encode(question.prompts, tokenizer, most=models.longest_prompt(tokens), chat=question.chat)
    if question.sampler == "vllm":
        seed = derive(question.seed, STREAM)
        ends = {"eos": tokenizer.eos_token_id, "pad": tokenizer.pad_token_id}
        drawn = draw_and_release(policy.name, prompts, question.samples, tokens, seed=seed, **ends)
        policy.check_unchanged()
    else:
        drawn = sample_many(
            models.policy(policy, job.runtime.device),
            prompts,
            question.samples,
            tokens,
            generator=generator(question.seed, STREAM),
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


def _score(job: Job[Any], *, models: JudgeModels, policy: ModelFiles, kind: str, question: Question) -> None:
    """What one judge says of each sample.

    Raises:
        UserError: if a score is no number, or all of the base policy's are the same: before other policies are measured.
    """
    samples = Samples.load(job.parents["samples"] / "samples.safetensors")
    texts = decode(samples.ids, models.tokenizer)
    scorer = models.scorer(kind, job.runtime.device)
    mine = processes.dealt(torch.arange(len(texts))).tolist()
    with _counted(scorer, len(mine), job.progress):
        prompts = [question.prompts[k // question.samples] for k in mine]
        part = scorer.score(prompts, [texts[k] for k in mine])
    scores = processes.gathered(torch.from_numpy(checked_scores(kind, part, len(mine))), len(texts))
    if policy.identity == models.base_files.identity:
        base_scale(kind, scores.numpy())
    save_file({"scores": scores}, job.out / "scores.safetensors")


@contextmanager
def _counted(scorer: Scorer, texts: int, progress: Callable[[int, int], None]) -> Iterator[None]:
    """Inside, `progress` is told what a reward model has read: which texts it reads together is its own affair."""
    done = 0

    def read(module: Any, given: Any, output: Any) -> None:
        nonlocal done
        done += len(output.logits)
        progress(done, texts)

    model = getattr(scorer, "model", None)
    hook = model.register_forward_hook(read) if isinstance(model, torch.nn.Module) else None
    try:
        yield
    finally:
        if hook:
            hook.remove()
