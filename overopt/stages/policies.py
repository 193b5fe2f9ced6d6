"""The stage that makes a policy of a language model: at the temperature at which its text is as likely as real text."""

import polars as pl
from scipy.optimize import brentq
from transformers import PreTrainedModel

from overopt.engine.stage import Job
from overopt.models.build import count_parameters, load_language_model, load_tokenizer, save_model
from overopt.models.samples import Samples, decode, encode_prompts
from overopt.models.sampling import sample_many
from overopt.models.seeding import generator
from overopt.models.sharpen import sharpen
from overopt.plan.stage_specs import SharpenedSpec
from overopt.rewards.gated_gold import mean_log_prob
from overopt.stages.prompts import encoded, prompt_table
from overopt.stages.spoilt_pairs import real_samples
from overopt.util.errors import UserError
from overopt.util.files import write_json

COLDEST, HOTTEST = 0.25, 1.25  # temperatures between which one is looked for
PRECISION = 0.005  # of the temperature
SHOWN = 50  # samples that a page shows


def sharpened(job: Job[SharpenedSpec]) -> None:
    """The language model with its logits divided by one temperature, and fifty of its samples.

    The temperature is the one at which the mean log-probability of a sample's tokens under the parent `judge` equals that of
    the real completions of the same prompts, over all tokens. It looks at text alone: no reward model has a say.

    Raises:
        UserError: if no temperature between the coldest and the hottest does that.
    """
    spec, device = job.spec, job.runtime.device
    tokenizer = load_tokenizer(job.parents["tokenizer"])
    judge = load_language_model(job.parents["judge"] / "model", device)
    table = prompt_table(job, "decoys", spec.skip + spec.prompts)[spec.skip :]
    prompts = encode_prompts(table["prompt"].to_list(), tokenizer)
    real = token_log_prob(judge, real_samples(job, tokenizer, table["sentence"].to_list()))

    def at(temperature: float) -> float:
        """How much likelier a token of a sample is than one of real text, nats; the random numbers are always the same."""
        policy = load_language_model(job.parents["language_model"] / "model", device)
        sharpen(policy, temperature)
        draws = generator(spec.seed, "sharpening")
        samples = sample_many(
            policy, prompts, 1, spec.completion_tokens, generator=draws, batch=job.runtime.batch
        )
        return token_log_prob(judge, samples) - real

    cold, hot = at(COLDEST), at(HOTTEST)
    if not cold > 0 > hot:
        raise UserError(
            f"sharpening: found samples {cold:+.2f} nats a token likelier than real text at temperature {COLDEST} and "
            f"{hot:+.2f} at {HOTTEST}, expected more than 0 and less"
        )
    temperature = round(brentq(at, COLDEST, HOTTEST, xtol=PRECISION), 3)
    policy = load_language_model(job.parents["language_model"] / "model", device)
    sharpen(policy, temperature)
    save_model(policy, job.out)
    metrics = {"temperature": temperature, "real_log_prob": real, "log_prob": real + at(temperature)}
    write_json(job.out / "metrics.json", metrics | {"parameters": count_parameters(policy)})
    each = -(-SHOWN // len(spec.show_prompts))
    draws = generator(spec.seed, "fifty samples")
    shown = sample_many(
        policy, encoded(job, spec.show_prompts), each, spec.completion_tokens, generator=draws
    )
    asked = [prompt for prompt in spec.show_prompts for _ in range(each)]
    texts = pl.DataFrame({"prompt": asked, "completion": decode(shown.ids, tokenizer)})
    texts[:SHOWN].write_parquet(job.out / "samples.parquet")


def token_log_prob(judge: PreTrainedModel, samples: Samples) -> float:
    """Mean log-probability of the completions' tokens under `judge`, over all tokens, nats."""
    lengths = samples.lengths.double()
    return float((mean_log_prob(judge, samples).double() * lengths).sum() / lengths.sum())
