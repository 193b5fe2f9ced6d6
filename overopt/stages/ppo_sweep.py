"""The stages that try settings of PPO by how well they spend KL: gold is asked nowhere here."""

from typing import Any

import polars as pl
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor

from overopt.data.reviews import TEXT_SPLIT
from overopt.engine.stage import Job
from overopt.estimators.kl_efficiency import frontier
from overopt.models.build import load_language_model, load_reward_model
from overopt.models.precision import frozen_dtype
from overopt.models.samples import Prompts, Samples
from overopt.models.seeding import generator
from overopt.optimisers.evaluation import Evaluator
from overopt.optimisers.ppo import Models, Trainer
from overopt.optimisers.ppo_run import PPORun
from overopt.plan.stage_specs import Nothing, PPOTrialSpec, SweepBaseSpec
from overopt.rewards.scoring import Scale, gold_scale, score
from overopt.stages.ppo import base_scores, new_value_model
from overopt.stages.prompts import encoded_prompts
from overopt.stages.samples import drawn
from overopt.training.optim import Diverged


def base(job: Job[SweepBaseSpec]) -> None:
    """The proxy's scores of the base policy's samples, on a scale of its own: mean 0 and standard deviation 1."""
    spec = job.spec
    samples = drawn(job, _prompts(job, spec.evaluation_prompts), spec.samples, "PPO sweep")
    raw = score(_proxy(job), samples, batch=job.runtime.batch)
    scale = gold_scale(raw)
    scale.save(job.out, "proxy")
    save_file({"proxy": scale(raw).reshape(-1, spec.samples)}, job.out / "scores.safetensors")


def trial(job: Job[PPOTrialSpec]) -> None:
    """One setting of PPO, looked at on the way: trial.parquet. A run that diverges ends there."""
    spec, config, device = job.spec, job.spec.ppo, job.runtime.device
    policy = load_language_model(job.parents["policy"] / "model", device)
    reference = load_language_model(job.parents["policy"] / "model", device, frozen_dtype(spec.frozen))
    scale, proxy = Scale.load(job.parents["scale"], "proxy"), _proxy(job)
    prompts = _prompts(job, spec.evaluation_prompts + config.prompts)

    def reward(samples: Samples) -> Float[Tensor, " samples"]:
        return scale(score(proxy, samples, batch=config.minibatch))

    training = prompts[spec.evaluation_prompts :]
    trainer = Trainer(
        Models(policy, reference, new_value_model(job, scale)),
        reward,
        training,
        config,
        completion_tokens=spec.completion_tokens,
        kl_penalty=0.0,
        generator=generator(spec.seed, "ppo"),
        base_scores=base_scores(job, reference, training, reward),
    )
    evaluator = Evaluator(
        reference=reference,
        prompts=prompts[: spec.evaluation_prompts],
        per_prompt=config.evaluation_samples,
        completion_tokens=spec.completion_tokens,
        seed=spec.seed,
        batch=job.runtime.batch,
    )
    rows: list[dict[str, Any]] = []
    try:
        for look in PPORun(trainer, evaluator, kept=rows, checkpoint=job.checkpoint, progress=job.progress):
            means = {
                "kl": look.kl.exact.clamp_min(0),  # a sum of non-negative terms, up to rounding
                "proxy": trainer.reward(look.samples),
                "length": look.samples.lengths,
                "ended": look.samples.ended(policy.config.eos_token_id),
            }
            rows.append({"step": look.step} | {name: of.double().mean().item() for name, of in means.items()})
    except Diverged:
        pass
    pl.DataFrame(rows).write_parquet(job.out / "trial.parquet")


def compared(job: Job[Nothing]) -> None:
    """All settings in one table with their KL efficiency, null where it is not known: ppo_sweep.parquet."""
    known = frontier(load_file(job.parents["base"] / "scores.safetensors")["proxy"])
    parts = []
    for setting, folder in job.parents.items():
        if setting != "base":
            rows = pl.read_parquet(folder / "trial.parquet")
            efficiency = pl.Series("efficiency", known.efficiency(rows["kl"], rows["proxy"]))
            parts.append(rows.with_columns(efficiency.fill_nan(None), setting=pl.lit(setting)))
    pl.concat(parts).write_parquet(job.out / "ppo_sweep.parquet")


def _prompts(job: Job[SweepBaseSpec] | Job[PPOTrialSpec], count: int) -> Prompts:
    """The first `count` prompts of the sweep."""
    return encoded_prompts(job, TEXT_SPLIT, job.spec.skip + count)[job.spec.skip :]


def _proxy(job: Job[SweepBaseSpec] | Job[PPOTrialSpec]) -> Any:
    """The proxy, for reading."""
    return load_reward_model(
        job.parents["proxy"] / "model", job.runtime.device, frozen_dtype(job.spec.frozen)
    )
