"""The stages that a study of pretrained models starts with: models, the policy's tokenizer, prompts."""

import copy
from pathlib import Path

import numpy as np
import polars as pl
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from overopt.data import reviews
from overopt.engine.stage import Job
from overopt.models.build import count_parameters, load_language_model, load_tokenizer, save_model
from overopt.models.pretrained import encode, read_prompts
from overopt.models.published import load_published
from overopt.models.seeding import isolated
from overopt.models.vocabulary import drop_rows_without_token
from overopt.plan.stage_specs import CutSpec, Nothing, PromptsSpec, ScratchSpec, TunedSpec
from overopt.study.pretrained_parts import Loaded, Published, Sized, TextSource
from overopt.util.download import sha256_of
from overopt.util.errors import UserError
from overopt.util.files import write_json
from overopt.util.seeds import derive

# Shares of the prompts of a file or dataset, by use. Reviews come split: see `overopt.data.reviews`.
SHARES = {"evaluation": 0.15, "policy": 0.25, "pairs": 0.6}


def loaded(job: Job[Loaded]) -> None:
    """A model as somebody published it, and its tokenizer."""
    model, tokenizer = load_published(job.spec)
    _keep(job, model, tokenizer)


def cut(job: Job[CutSpec]) -> None:
    """The first layers of a model."""
    source = load_language_model(job.parents["source"] / "model")
    _keep(job, first_layers(source, job.spec.layers), load_tokenizer(job.parents["source"] / "model"))


def scratch(job: Job[ScratchSpec]) -> None:
    """An untrained model with the architecture of another."""
    spec = job.spec
    source = load_language_model(job.parents["source"] / "model")
    made = untrained(source, spec.layers, spec.width, spec.heads, spec.seed)
    _keep(job, made, load_tokenizer(job.parents["source"] / "model"))


def tuned(job: Job[TunedSpec]) -> None:
    """A model after supervised fine-tuning.

    Raises:
        UserError: if a text is longer than the study says, or the texts are missing or do not verify.
    """
    from overopt.training.trl import tune_with_trl  # the other stages here do not wait for its imports

    spec, folder = job.spec, job.parents["source"] / "model"
    made, tokenizer = load_language_model(folder, job.runtime.device), load_tokenizer(folder)
    rows = [[*row, made.config.eos_token_id] for row in tokenizer(_read(spec.texts))["input_ids"]]
    for k, row in enumerate(rows):
        if len(row) > spec.tokens:
            raise UserError(f"text {k + 1}: found {len(row)} tokens, expected at most {spec.tokens}")
    made = tune_with_trl(
        made,
        tokenizer,
        rows,
        steps=spec.steps,
        batch=spec.batch,
        learning_rate=spec.learning_rate,
        seed=spec.seed,
        lora=spec.lora,
        progress=job.progress,
    )
    _keep(job, made, tokenizer)


def _keep(job: Job[Sized], model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    check_sizes(model, job.spec)
    drop_rows_without_token(model, tokenizer, "of this stage")  # no stage draws them
    save_model(model, job.out)
    tokenizer.save_pretrained(job.out / "model")
    metrics = {"parameters": count_parameters(model), "vocabulary": model.config.vocab_size}
    write_json(job.out / "metrics.json", metrics)


def check_sizes(model: PreTrainedModel, spec: Sized) -> None:
    """Compare a model with what its study says of it.

    Raises:
        UserError: if one of parameters, layers, width and vocabulary is another.
    """
    config = model.config
    found = {
        "parameters": count_parameters(model),
        "layers": config.num_hidden_layers,
        "width": config.hidden_size,
        "vocabulary": config.vocab_size,
    }
    for name, value in found.items():
        if (told := getattr(spec, name, value)) != value:
            source = (
                spec.hub or spec.path or spec.package if isinstance(spec, Published) else "made of another"
            )
            raise UserError(f"model {source}: {name}: found {value}, expected the study's {told}")


def first_layers(source: PreTrainedModel, layers: int) -> PreTrainedModel:
    """The first `layers` layers of a causal model under its own last norm and output layer.

    Raises:
        UserError: if it has no more than that.
    """
    config = copy.deepcopy(source.config)
    if layers >= config.num_hidden_layers:
        raise UserError(f"layers: found {layers}, expected fewer than the model's {config.num_hidden_layers}")
    config.num_hidden_layers = layers
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:layers]
    made = AutoModelForCausalLM.from_config(config)
    weights = source.state_dict()
    made.load_state_dict({name: weights[name] for name in made.state_dict()})
    return made.eval()


def untrained(source: PreTrainedModel, layers: int, width: int, heads: int, seed: int) -> PreTrainedModel:
    """A causal model of another's architecture and vocabulary, with fresh weights; feed-forward layers keep their ratio."""
    config = copy.deepcopy(source.config)
    if getattr(config, "intermediate_size", None):
        config.intermediate_size = round(config.intermediate_size * width / config.hidden_size)
    config.hidden_size, config.num_hidden_layers, config.num_attention_heads = width, layers, heads
    if getattr(config, "num_key_value_heads", None):
        config.num_key_value_heads = heads
    if getattr(config, "head_dim", None):
        config.head_dim = width // heads
    if getattr(config, "layer_types", None):
        config.layer_types = (config.layer_types * layers)[:layers]
    with isolated(seed, "initial weights"):
        return AutoModelForCausalLM.from_config(config).eval()


def tokenizer(job: Job[Nothing]) -> None:
    """The policy's tokenizer.

    Raises:
        UserError: if another model of the study reads other tokens.
    """
    own = load_tokenizer(job.parents["policy"] / "model")
    for role, folder in job.parents.items():
        if load_tokenizer(folder / "model").get_vocab() != own.get_vocab():
            raise UserError(f"{role}: found other tokens than the policy's, expected the same")
    own.save_pretrained(job.out)


def prompts(job: Job[PromptsSpec]) -> None:
    """prompts.parquet: every prompt with its use, in random order; no prompt serves two.

    Raises:
        UserError: if the source is missing or does not verify, or a prompt of it is too long. Openings of reviews that
            are too long are left out.
    """
    spec, tokenizer = job.spec, load_tokenizer(job.parents["tokenizer"])
    source = spec.source

    def fits(prompt: str) -> bool:
        return encode([prompt], tokenizer, most=2**31, chat=spec.chat).ids.shape[1] <= spec.prompt_tokens

    if source.reviews:
        sentences = reviews.load_reviews(spec.seed).sentences
        found = {
            use: reviews.prompts(sentences, use, source.words, spec.seed)["prompt"].to_list()
            for use in SHARES
        }
        found = {use: list(filter(fits, rows)) for use, rows in found.items()}
    else:
        found = _split(_read(source), spec.seed)
        every = [prompt for rows in found.values() for prompt in rows]
        encode(every, tokenizer, most=spec.prompt_tokens, chat=spec.chat)  # names the first that is too long
    rows = [{"use": use, "prompt": prompt} for use, of in found.items() for prompt in of]
    rows += [{"use": "show", "prompt": prompt} for prompt in spec.show]
    pl.DataFrame(rows).write_parquet(job.out / "prompts.parquet")


def _read(source: TextSource) -> list[str]:
    """Texts of a file or dataset, in its order, each once."""
    if source.path:
        found = read_prompts(source.path, source.column)
        if (sha256 := sha256_of(Path(source.path))) != source.sha256:
            raise UserError(f"{source.path}: found SHA-256 {sha256}, expected {source.sha256}")
        return _once(found)
    from datasets import load_dataset

    table = load_dataset(str(source.dataset), revision=source.revision, split=source.split)
    if source.column not in table.column_names:
        raise UserError(
            f"dataset {source.dataset}: found columns {', '.join(table.column_names)}, expected {source.column!r}"
        )
    return _once([str(text) for text in table[source.column]])


def _once(texts: list[str]) -> list[str]:
    return list({reviews.normalise(text): text for text in reversed(texts)}.values())[::-1]


def _split(prompts: list[str], seed: int) -> dict[str, list[str]]:
    order = np.random.default_rng(derive(seed, "prompts")).permutation(len(prompts))
    bounds = (np.cumsum(list(SHARES.values())) * len(prompts)).round().astype(int)
    parts = np.split(order, bounds[:-1])
    return {use: [prompts[k] for k in part] for use, part in zip(SHARES, parts, strict=True)}
