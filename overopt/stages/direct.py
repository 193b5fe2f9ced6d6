"""The stage that trains a policy on labelled pairs without a reward model, judged by gold on held-out prompts."""

import math
from dataclasses import replace

from overopt.engine.stage import Job
from overopt.models.samples import Samples
from overopt.models.seeding import generator
from overopt.optimisers.direct import Looks, Trainer
from overopt.plan.stage_specs import DirectSpec
from overopt.rewards.implicit import ImplicitReward
from overopt.rewards.pairs import LabelledPairs, draw, split
from overopt.rewards.scoring import Scale
from overopt.stages.learner import load_learner
from overopt.stages.pairs import load_pairs
from overopt.stages.recorder import Recorder


def direct(job: Job[DirectSpec]) -> None:
    """A policy trained on labelled pairs with DPO, IPO or SLiC, evaluated by gold on the evaluation prompts along the way.

    It learns from the pairs that a proxy of as many pairs and of the same seed learns from; the proxy of its curve is its
    implicit reward.
    """
    spec, config, learner = job.spec, job.spec.run, load_learner(job)
    training, held_out = split(load_pairs(job.parents["pairs"]), spec.validation)
    policy, reference = learner.policy, learner.reference
    beta = spec.kl_penalty
    reward = ImplicitReward(
        policy, reference, beta, in_gold_sds(job, held_out), base_samples(job), batch=2 * config.batch
    )
    recorder = Recorder(
        job,
        spec.loss,
        minibatch=2 * config.batch,
        evaluation_samples=config.evaluation_samples,
        proxy=reward,
        metrics={
            "parameters": spec.curve.policy_params,  # the policy is its own reward model
            "pairs": spec.pairs,
            "epochs": config.epochs,
            "validation_loss": math.log(2),  # of each look its own
            "validation_accuracy": 0.5,
        },
    )
    trainer = Trainer(
        policy,
        draw(training, spec.pairs, spec.curve.seed),
        config,
        loss=spec.loss,
        beta=beta,
        generator=generator(spec.seed, "direct batches"),
    )
    looks = Looks(
        trainer,
        recorder.evaluator(reference),
        kept=recorder.kept,
        checkpoint=job.checkpoint,
        progress=job.progress,
    )
    for evaluation in looks:
        recorder.look(evaluation, **reward.calibrate())
    recorder.write()
    learner.save(job.out)


def in_gold_sds(job: Job[DirectSpec], pairs: LabelledPairs) -> LabelledPairs:
    """The pairs with margins in base-policy SDs, the unit that the pool fixed."""
    return replace(pairs, margin=Scale.load(job.parents["pool"], "gold").gain * pairs.margin)


def base_samples(job: Job[DirectSpec]) -> Samples:
    """As many samples of each evaluation prompt by the policy before training as an evaluation draws, from the pool."""
    samples = Samples.load(job.parents["pool"] / "evaluation.safetensors")
    of_each = len(samples) // job.spec.evaluation_prompts
    return samples[[k for k in range(len(samples)) if k % of_each < job.spec.run.evaluation_samples]]
