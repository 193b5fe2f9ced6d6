"""The stage that fine-tunes a policy on the best of its own samples by one proxy, judged by gold on held-out prompts."""

from overopt.engine.stage import Job
from overopt.models.build import load_language_model, save_model
from overopt.models.precision import frozen_dtype
from overopt.models.seeding import generator
from overopt.optimisers.ppo_run import PPORun
from overopt.optimisers.rejection import Models, Trainer
from overopt.plan.stage_specs import RejectionSpec
from overopt.stages.prompts import encoded_prompts
from overopt.stages.recorder import Recorder


def rejection(job: Job[RejectionSpec]) -> None:
    """A policy fine-tuned on its best of n by one proxy, evaluated by gold on the evaluation prompts along the way."""
    spec, device, config = job.spec, job.runtime.device, job.spec.run
    folder = job.parents["policy"] / "model"
    policy, adapted = load_language_model(folder, device), None
    if spec.lora:
        from overopt.training.lora import Adapted  # a study without it does not wait for peft

        adapted = Adapted(policy, spec.lora, spec.seed)
        policy, reference = adapted.policy, adapted.reference()
    else:
        reference = load_language_model(folder, device, frozen_dtype(spec.frozen))
    recorder = Recorder(job, "rft", minibatch=config.batch, evaluation_samples=config.evaluation_samples)
    trainer = Trainer(
        Models(policy, reference),
        recorder.proxy,
        encoded_prompts(job, "policy", config.prompts),
        config,
        n=spec.n,
        completion_tokens=spec.completion_tokens,
        generator=generator(spec.seed, "rejection"),
        batch=job.runtime.batch,
    )
    run = PPORun(
        trainer,
        recorder.evaluator(reference),
        kept=recorder.kept,
        checkpoint=job.checkpoint,
        progress=job.progress,
    )
    for evaluation in run:
        recorder.look(evaluation)
    recorder.write()
    save_model(adapted.merged() if adapted else policy, job.out)
