"""The stages that make gold in a study of pretrained models: trained on human ratings, or somebody's reward model."""

import shutil

import polars as pl
import torch
from torch import nn
from transformers import PreTrainedModel

from overopt.data import reviews
from overopt.engine.stage import Job
from overopt.models.build import (
    count_parameters,
    load_language_model,
    load_tokenizer,
    new_reward_model,
    save_model,
)
from overopt.models.model_card import CARD
from overopt.models.pretrained import load_classifier
from overopt.models.published import folder_of
from overopt.models.reading import check_asked, reading_of
from overopt.models.seeding import generator
from overopt.plan.stage_specs import NamedGoldSpec, RatedGoldSpec
from overopt.rewards.gold import NAMED, REWARD_MODEL, TokenGold
from overopt.rewards.gold_validity import rating_validity
from overopt.stages.pretrained_models import check_sizes
from overopt.training.rating_model import Rated, train_rating_model
from overopt.util.errors import UserError
from overopt.util.files import write_json


def rated(job: Job[RatedGoldSpec]) -> None:
    """A reward model of human ratings on a pretrained body, of which the last layers learn; its held-out validity.

    Departure from the paper, whose gold is trained on comparisons of whole answers: the ratings are of single
    sentences, and nothing teaches this gold to tell text from what is none.
    """
    spec, tokenizer = job.spec, load_tokenizer(job.parents["tokenizer"])
    ratings = reviews.load_ratings(spec.seed)
    base = load_language_model(job.parents["language_model"] / "model")
    model = new_reward_model(base, spec.seed).to(job.runtime.device)
    freeze_below(model, spec.train_layers)
    rows = {
        split: list(tokenizer(ratings.filter(split=split)["text"].to_list())["input_ids"])
        for split in ("train", "test")
    }
    training = ratings.filter(split="train")
    train_rating_model(
        model,
        Rated(
            rows["train"],
            torch.tensor(training["rating"].to_list()),
            torch.tensor(training["rating_sd"].to_list()),
        ),
        steps=spec.steps,
        batch=spec.batch,
        learning_rate=spec.learning_rate,
        embedding_gain=0.0,
        generator=generator(spec.seed, "ratings"),
        progress=job.progress,
        checkpoint=job.checkpoint,
    )
    report, pairs = rating_validity(
        TokenGold(model).score_rows(rows["test"]).numpy(), ratings, seed=spec.seed
    )
    save_model(model, job.out)
    sizes = {"params": count_parameters(model), "rated_texts": len(rows["train"])}
    write_json(job.out / "validity.json", sizes | report | {"pairs": [pairs]})


def freeze_below(model: PreTrainedModel, layers: int) -> None:
    """Leave the last `layers` layers, what stands behind them and the head to learn, and nothing else.

    Raises:
        UserError: if the model has fewer layers.
    """
    count = model.config.num_hidden_layers
    if layers > count:
        raise UserError(f"train_layers: found {layers}, expected at most the {count} of the model")
    stack = next(
        part for part in model.base_model.children() if isinstance(part, nn.ModuleList) and len(part) == count
    )
    below = [model.base_model.get_input_embeddings(), *stack[: count - layers]]
    for weight in (weight for part in below for weight in part.parameters()):
        weight.requires_grad_(False)


def named(job: Job[NamedGoldSpec]) -> None:
    """A reward model as somebody published it, with the prompts it will be asked about."""
    spec, folder = job.spec, folder_of(job.spec)
    model, tokenizer = load_classifier(str(folder), logit=spec.logit)
    check_sizes(model, spec)
    model.save_pretrained(job.out / REWARD_MODEL)
    if (folder / CARD).is_file():  # it may say how the texts ended that the model learned from
        shutil.copyfile(folder / CARD, job.out / REWARD_MODEL / CARD)
    tokenizer.save_pretrained(job.out / REWARD_MODEL)
    prompts = (
        pl.read_parquet(job.parents["prompts"] / "prompts.parquet")
        .select("prompt")
        .unique(maintain_order=True)
    )
    prompts.write_parquet(job.out / "prompts.parquet")
    told = {"reads": spec.reads, "ends": spec.ends}
    fixed_end = model.config.is_encoder_decoder
    reading = reading_of(str(folder), tokenizer, **told, fixed_end=fixed_end)  # refused here, if at all
    check_asked(str(folder), reading, chat=spec.asked_in_chat)
    write_json(job.out / NAMED, told | {"logit": spec.logit, "asked_in_chat": spec.asked_in_chat})
    write_json(job.out / "validity.json", {"params": count_parameters(model)})
