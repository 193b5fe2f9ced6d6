"""The stages that optimise a policy against one proxy, judged by gold on held-out prompts."""

from transformers import PreTrainedModel

from overopt.engine.stage import Job
from overopt.models.build import load_language_model, new_reward_model, save_model
from overopt.models.precision import frozen_dtype
from overopt.models.seeding import generator
from overopt.optimisers.ppo import Models, Trainer
from overopt.optimisers.ppo_run import PPORun
from overopt.plan.stage_specs import PPOSpec, PPOTrialSpec
from overopt.rewards.joined import first_model
from overopt.rewards.scoring import Scale, scale_head
from overopt.stages.prompts import encoded_prompts
from overopt.stages.recorder import Recorder
from overopt.util.seeds import derive


def ppo(job: Job[PPOSpec]) -> None:
    """A policy trained against one proxy with PPO, evaluated by gold on the evaluation prompts along the way."""
    spec, device = job.spec, job.runtime.device
    config = spec.ppo
    policy = load_language_model(job.parents["policy"] / "model", device)
    adapted = None
    if spec.lora:
        from overopt.training.lora import Adapted  # a study without it does not wait for peft

        adapted = Adapted(policy, spec.lora, spec.seed)
        policy, reference = adapted.policy, adapted.reference()
    else:
        reference = load_language_model(job.parents["policy"] / "model", device, frozen_dtype(spec.frozen))
    value_model = new_value_model(job, Scale.load(job.parents["scale"], "proxy"))
    recorder = Recorder(job, "ppo", minibatch=config.minibatch, evaluation_samples=config.evaluation_samples)
    trainer = Trainer(
        Models(policy, reference, value_model),
        recorder.proxy,
        encoded_prompts(job, "policy", config.prompts),
        config,
        completion_tokens=spec.completion_tokens,
        kl_penalty=spec.kl_penalty,
        generator=generator(spec.seed, "ppo"),
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


def new_value_model(job: Job[PPOSpec] | Job[PPOTrialSpec], proxy_scale: Scale) -> PreTrainedModel:
    """What the value model of a run starts as: the proxy on its scale, or a language model under a fresh head."""
    if job.spec.ppo.value_from == "proxy":
        model, own_scale = first_model(job.parents["proxy"])
        scale_head(model, proxy_scale.after(own_scale))
    else:
        base = load_language_model(job.parents["value_model"] / "model")
        model = new_reward_model(base, derive(job.spec.seed, "value"))
    return model.to(job.runtime.device)
