"""The stage that fine-tunes a policy on the best of its own samples by one proxy, judged by gold on held-out prompts."""

from overopt.engine.stage import Job
from overopt.models.seeding import generator
from overopt.optimisers.rejection import Models, Trainer
from overopt.plan.stage_specs import RejectionSpec
from overopt.stages.learner import load_learner, run_watched
from overopt.stages.prompts import encoded_prompts
from overopt.stages.recorder import Recorder


def rejection(job: Job[RejectionSpec]) -> None:
    """A policy fine-tuned on its best of n by one proxy, evaluated by gold on the evaluation prompts along the way."""
    spec, config, learner = job.spec, job.spec.run, load_learner(job)
    recorder = Recorder(job, "rft", minibatch=config.batch, evaluation_samples=config.evaluation_samples)
    trainer = Trainer(
        Models(learner.policy, learner.reference),
        recorder.proxy,
        encoded_prompts(job, "policy", config.prompts),
        config,
        n=spec.n,
        completion_tokens=spec.completion_tokens,
        generator=generator(spec.seed, "rejection"),
        batch=job.runtime.batch,
    )
    run_watched(job, trainer, recorder, learner)
