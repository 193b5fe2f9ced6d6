"""The stage that draws samples of a policy that nothing optimised."""

from overopt.engine.stage import Job
from overopt.models.build import load_language_model, load_tokenizer
from overopt.models.samples import Prompts, Samples
from overopt.models.sampling import sample_many
from overopt.models.seeding import generator
from overopt.models.vllm import load_engine, sample_with_vllm
from overopt.plan.stage_specs import Drawing, SamplesSpec
from overopt.stages.prompts import encoded, encoded_prompts
from overopt.util.seeds import derive


def samples(job: Job[SamplesSpec]) -> None:
    """Base-policy samples of some of the evaluation prompts, or of the prompts for show."""
    spec = job.spec
    if spec.show_prompts is not None:
        prompts = encoded(job, spec.show_prompts)
    else:
        # encoded with all others, so that every part is padded to the same width
        prompts = encoded_prompts(job, "evaluation", spec.prompts)[spec.first : spec.last]
    made = drawn(job, prompts, spec.samples, "pool", spec.use, spec.first or 0)
    made.save(job.out / "samples.safetensors")


def drawn(job: Job[Drawing], prompts: Prompts, per_prompt: int, *stream: str | int) -> Samples:
    """Completions of the job's policy, with the random numbers of one named stream."""
    spec, folder = job.spec, job.parents["policy"] / "model"
    if spec.sampler == "vllm":
        engine, tokenizer = load_engine(folder), load_tokenizer(folder)
        ends = {"eos": tokenizer.eos_token_id, "pad": tokenizer.pad_token_id or 0}
        seed = derive(spec.seed, *stream)
        return sample_with_vllm(engine, prompts, per_prompt, spec.completion_tokens, seed=seed, **ends)
    return sample_many(
        load_language_model(folder, job.runtime.device),
        prompts,
        per_prompt,
        spec.completion_tokens,
        generator=generator(spec.seed, *stream),
        batch=job.runtime.batch,
        progress=job.progress,
    )
