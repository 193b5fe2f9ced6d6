"""The stages that optimise a policy against one proxy, judged by gold on held-out prompts."""

from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from overopt.engine.stage import Job
from overopt.models.build import load_language_model, new_reward_model
from overopt.models.samples import Prompts
from overopt.models.sampling import sample_many
from overopt.models.seeding import generator
from overopt.optimisers.ppo import Models, Reward, Trainer
from overopt.plan.stage_specs import PPOSpec, PPOTrialSpec
from overopt.rewards.joined import first_model
from overopt.rewards.scoring import Scale, scale_head
from overopt.stages.learner import load_learner, run_watched
from overopt.stages.prompts import encoded_prompts
from overopt.stages.recorder import Recorder
from overopt.util.seeds import derive


def ppo(job: Job[PPOSpec]) -> None:
    """A policy trained against one proxy with PPO, evaluated by gold on the evaluation prompts along the way."""
    spec, config, learner = job.spec, job.spec.ppo, load_learner(job)
    value_model = new_value_model(job, Scale.load(job.parents["scale"], "proxy"))
    recorder = Recorder(
        job, config.method, minibatch=config.minibatch, evaluation_samples=config.evaluation_samples
    )
    prompts = encoded_prompts(job, "policy", config.prompts)
    trainer = Trainer(
        Models(learner.policy, learner.reference, value_model),
        recorder.proxy,
        prompts,
        config,
        completion_tokens=spec.completion_tokens,
        kl_penalty=spec.kl_penalty,
        generator=generator(spec.seed, "ppo"),
        base_scores=base_scores(job, learner.reference, prompts, recorder.proxy),
    )
    run_watched(job, trainer, recorder, learner)


def base_scores(
    job: Job[PPOSpec] | Job[PPOTrialSpec], reference: PreTrainedModel, prompts: Prompts, proxy: Reward
) -> Float[Tensor, "prompts base"] | None:
    """The proxy's scores of as many of the initial policy's completions of each prompt as the run compares with, if any."""
    spec, of_each = job.spec, job.spec.ppo.compared_with
    if not of_each:
        return None
    draws, batch = generator(spec.seed, "compared with"), job.runtime.batch
    samples = sample_many(reference, prompts, of_each, spec.completion_tokens, generator=draws, batch=batch)
    return proxy(samples).cpu().view(-1, of_each)


def new_value_model(job: Job[PPOSpec] | Job[PPOTrialSpec], proxy_scale: Scale) -> PreTrainedModel:
    """What the value model of a run starts as: the proxy on its scale, or a language model under a fresh head."""
    if job.spec.ppo.value_from == "proxy":
        model, own_scale = first_model(job.parents["proxy"])
        scale_head(model, proxy_scale.after(own_scale))
    else:
        base = load_language_model(job.parents["value_model"] / "model")
        model = new_reward_model(base, derive(job.spec.seed, "value"))
    return model.to(job.runtime.device)
