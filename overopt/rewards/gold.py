"""What can be gold in a stage: something that scores samples. Which kind a stage made, its folder says."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from overopt.models.build import load_reward_model
from overopt.models.pretrained import Scorer, encode
from overopt.models.samples import Samples
from overopt.models.text_reward import RewardModel
from overopt.models.written import scores_of, written
from overopt.rewards.gated_gold import GATES, GatedGold
from overopt.rewards.scoring import Rows, Scale, gold_scale, score, score_all
from overopt.util.files import read_json

NAMED, REWARD_MODEL = "named.json", "reward_model"  # of a gold that reads texts


@runtime_checkable
class Gold(Protocol):
    """The true reward, as far as a study knows one."""

    def score(self, samples: Samples, *, batch: int) -> Float[Tensor, " samples"]:
        """Raw gold reward of each sample, on the CPU, in their order."""


Views = dict[str, Float[Tensor, " samples"]]


def views_of(gold: Gold, samples: Samples, *, batch: int) -> Views:
    """Raw gold reward of each sample as `gold`, on the CPU; of a gold with gates also what it is made of.

    Then there are `gold_lenient` and `gold_strict`, with other gates; `rating`, gold if all text passed; `gate`, how surely
    each passes, 0 to 1.
    """
    if not isinstance(gold, GatedGold):
        return {"gold": gold.score(samples, batch=batch)}
    judged = gold.judged(samples, batch=batch)
    by_gate = {name: gold.gold(judged, name) for name in gold.gates}
    return by_gate | {"rating": judged.rating, "gate": judged.passes(gold.gates["gold"])}


@dataclass(frozen=True)
class ScaledGold:
    """A gold whose views are in base-policy SDs: rating in the unit of gold, other gates each in their own."""

    gold: Gold
    scales: Mapping[str, Scale]  # by the name of the view

    @staticmethod
    def on(base: Views, gold: Gold) -> "ScaledGold":
        """The scales that put the base policy's samples, whose raw views are `base`, at mean 0 and variance 1."""
        scales = {name: gold_scale(raw) for name, raw in base.items() if name not in ("rating", "gate")}
        if "rating" in base:
            scales |= {"rating": scales["gold"], "gate": Scale(1.0, 0.0)}
        return ScaledGold(gold, scales)

    def scaled(self, raw: Views) -> Views:
        """Those raw views that have a scale, on it."""
        return {name: scale(raw[name]) for name, scale in self.scales.items()}

    def __call__(self, samples: Samples, *, batch: int) -> Views:
        """Views of samples, scaled."""
        return self.scaled(views_of(self.gold, samples, batch=batch))


@dataclass(frozen=True)
class TokenGold:
    """A reward model that reads the policy's own tokens."""

    model: PreTrainedModel

    def score(self, samples: Samples, *, batch: int) -> Float[Tensor, " samples"]:
        """See `Gold`."""
        return score(self.model, samples, batch=batch)

    def score_rows(self, rows: Rows, *, batch: int = 256) -> Float[Tensor, " rows"]:
        """Raw gold reward of texts in the policy's tokens."""
        return score_all(self.model, rows, batch)


@dataclass(frozen=True)
class TextGold:
    """Whatever scores texts. `asked`: each prompt by its token ids, since a template hides it in them, of a `chat`."""

    scorer: Scorer
    tokenizer: PreTrainedTokenizerFast
    asked: Mapping[tuple[int, ...], str]
    chat: bool

    def score(self, samples: Samples, *, batch: int) -> Float[Tensor, " samples"]:
        """See `Gold`. `batch` is the scorer's own affair."""
        ids, mask = samples.prompts.ids, samples.prompts.mask
        prompts = [self.asked[tuple(row[inside].tolist())] for row, inside in zip(ids, mask, strict=True)]
        texts = written(samples, prompts, self.tokenizer, chat=self.chat)
        return torch.tensor(scores_of(self.scorer, texts))


def load_gold(
    folder: Path,
    tokenizer: PreTrainedTokenizerFast,
    device: torch.device | str,
    dtype: torch.dtype = torch.float32,
) -> Gold:
    """The gold that a stage made; `tokenizer` is the policy's. A gold of the world `reviews` is always in float32."""
    if (folder / GATES).is_file():
        return GatedGold.load(folder, tokenizer, device)
    if (folder / "model").is_dir():
        return TokenGold(load_reward_model(folder / "model", device, dtype))
    named = read_json(folder / NAMED)
    prompts = pl.read_parquet(folder / "prompts.parquet")["prompt"].to_list()
    encoded = encode(prompts, tokenizer, most=2**31, chat=named["asked_in_chat"])
    asked = {
        tuple(row[inside].tolist()): prompt
        for row, inside, prompt in zip(encoded.ids, encoded.mask, prompts, strict=True)
    }
    told = {field: named[field] for field in ("reads", "ends", "logit")}
    scorer = RewardModel(str(folder / REWARD_MODEL), device, **told, dtype=dtype)
    return TextGold(scorer, tokenizer, asked, named["asked_in_chat"])
