"""The stage that optimises a policy against one proxy with RLOO, judged by gold on held-out prompts."""

from transformers import PreTrainedModel

from overopt.engine.stage import Job
from overopt.models.build import load_language_model, load_tokenizer, save_model
from overopt.models.precision import frozen_dtype
from overopt.optimisers.evaluation import thousandths
from overopt.optimisers.rloo import train_with_rloo
from overopt.plan.stage_specs import RLOOSpec
from overopt.stages.prompts import encoded, prompt_table
from overopt.stages.recorder import Recorder
from overopt.util import processes
from overopt.util.seeds import derive


def rloo(job: Job[RLOOSpec]) -> None:
    """A policy trained against one proxy with RLOO, evaluated by gold on the evaluation prompts along the way."""
    spec, device = job.spec, job.runtime.device
    config = spec.rloo
    folder = job.parents["policy"] / "model"
    policy = load_language_model(folder, device)
    reference = load_language_model(folder, device, frozen_dtype(spec.frozen))
    recorder = Recorder(job, "rloo", minibatch=config.batch, evaluation_samples=config.evaluation_samples)
    evaluator = recorder.evaluator(reference)
    questions = prompt_table(job, "policy", config.prompts)["prompt"].to_list()

    def look(step: int, policy: PreTrainedModel) -> float:
        """KL of the policy, nats."""
        evaluation = evaluator.look(policy, step)
        recorder.look(evaluation)
        kl = evaluation.kl.exact.mean().item()
        if processes.rank() == 0:
            job.progress(thousandths(step, kl, config), 1000)
        return kl

    trained = train_with_rloo(
        policy,
        load_tokenizer(folder),
        questions,
        encoded(job, questions),
        recorder.proxy,
        config,
        completion_tokens=spec.completion_tokens,
        chat=bool(spec.chat),
        lora=spec.lora,
        seed=derive(spec.seed, "rloo"),
        on_look=look,
    )
    recorder.write()
    save_model(trained, job.out)
