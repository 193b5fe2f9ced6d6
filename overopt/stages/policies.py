"""The stage that makes a policy of a language model: at the temperature at which it makes up few words, as people do."""

from functools import partial

import polars as pl
from scipy.optimize import brentq
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from overopt.data.reviews import TEXT_SPLIT
from overopt.data.words import known_share, known_words, words
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
from overopt.stages.text import HALVES, halves, of_split
from overopt.util.errors import UserError
from overopt.util.files import write_json

COLDEST, HOTTEST = 0.25, 1.25  # temperatures between which one is looked for
PRECISION = 0.005  # of the temperature
SHOWN = 50  # samples that a page shows


def sharpened(job: Job[SharpenedSpec]) -> None:
    """The language model with its logits divided by one temperature, and fifty of its samples.

    The temperature is the one at which as large a share of the words of samples is known as of the real completions of the
    same prompts: words that occur at least `overopt.data.words.LEAST` times in the half of the reviews that the policy did
    not read. A small model at temperature 1 makes words up. The rule looks at text alone: no reward model has a say.

    Raises:
        UserError: if no temperature between the coldest and the hottest does that.
    """
    spec, tokenizer = job.spec, load_tokenizer(job.parents["tokenizer"])
    table = prompt_table(job, TEXT_SPLIT, spec.skip + spec.prompts)[spec.skip :]
    prompts = encode_prompts(table["prompt"].to_list(), tokenizer)
    sentences = of_split(job.parents["corpus"], "language_model")
    read = sentences.filter(halves(sentences) == HALVES.index(spec.known_from))
    share = partial(_known, known_words(read["text"]), tokenizer)
    real = real_samples(job, tokenizer, table["sentence"].to_list())

    def policy_at(temperature: float) -> PreTrainedModel:
        policy = load_language_model(job.parents["language_model"] / "model", job.runtime.device)
        sharpen(policy, temperature)
        return policy

    def samples_at(temperature: float) -> Samples:
        """The random numbers are the same at every temperature."""
        draws = generator(spec.seed, "sharpening")
        policy, batch = policy_at(temperature), job.runtime.batch
        return sample_many(policy, prompts, 1, spec.completion_tokens, generator=draws, batch=batch)

    wanted = share(real)
    cold, hot = (share(samples_at(temperature)) for temperature in (COLDEST, HOTTEST))
    if not cold > wanted > hot:
        raise UserError(
            f"sharpening: found {cold:.3f} of the words of samples known at temperature {COLDEST} and {hot:.3f} at "
            f"{HOTTEST}, expected the {wanted:.3f} of real text between them"
        )
    found = brentq(
        lambda temperature: share(samples_at(temperature)) - wanted, COLDEST, HOTTEST, xtol=PRECISION
    )
    temperature = round(found, 3)
    policy, samples = policy_at(temperature), samples_at(temperature)
    save_model(policy, job.out)
    judge = load_language_model(job.parents["judge"] / "model", job.runtime.device)
    metrics = {
        "temperature": temperature,
        "real_known": wanted,
        "known": share(samples),
        "real_log_prob": token_log_prob(judge, real),
        "log_prob": token_log_prob(judge, samples),
        "parameters": count_parameters(policy),
    }
    write_json(job.out / "metrics.json", metrics)
    each = -(-SHOWN // len(spec.show_prompts))
    draws = generator(spec.seed, "fifty samples")
    shown = sample_many(
        policy, encoded(job, spec.show_prompts), each, spec.completion_tokens, generator=draws
    )
    asked = [prompt for prompt in spec.show_prompts for _ in range(each)]
    texts = pl.DataFrame({"prompt": asked, "completion": decode(shown.ids, tokenizer)})
    texts[:SHOWN].write_parquet(job.out / "samples.parquet")


def _known(known: frozenset[str], tokenizer: PreTrainedTokenizerFast, samples: Samples) -> float:
    """Share of the words of completions that are known, without the last word of those that the length limit cut."""
    ended = samples.ended(tokenizer.eos_token_id).tolist()
    found = [words(text) for text in decode(samples.ids, tokenizer)]
    return known_share([text if end else text[:-1] for text, end in zip(found, ended, strict=True)], known)


def token_log_prob(judge: PreTrainedModel, samples: Samples) -> float:
    """Mean log-probability of the completions' tokens under `judge`, over all tokens, nats."""
    lengths = samples.lengths.double()
    return float((mean_log_prob(judge, samples).double() * lengths).sum() / lengths.sum())
