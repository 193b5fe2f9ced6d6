"""The gold reward in use: what people would rate a text, if it is text at all.

Rating models, whose mean counts, read text in a vocabulary of their own and predict human ratings. Fluency models
say whether a text is real, and all must agree. Ratings alone are not enough: a policy that leaves real text behind
finds loops of praise that such a model likes, and gold would rise again where it should fall (departure from the
paper, whose gold model is trained on human comparisons of whole answers, good and bad). One fluency model is not
enough either: each takes some text that is none for real, but seldom the same as another.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from overopt.models.build import load_reward_model, load_tokenizer
from overopt.models.samples import Samples
from overopt.rewards.rating import Rating
from overopt.rewards.scoring import Rows, score_all
from overopt.util.files import read_json, write_json

RARELY = 0.01  # share of real texts that one fluency model has count less than half
FLOOR = 0.05  # share of rated texts that are rated below what spoilt text is worth
SHARPNESS = 4.0  # factor on fluency models' log-odds: what is surely no text counts for nothing


@dataclass(frozen=True)
class GoldModel:
    """Rating models, whose mean counts, with their tokenizer; fluency models, which read the policies' own tokens.

    doubts: each fluency model's score at which a text counts half; floor: the rating score of spoilt text; reads:
    tokens of a text, the longest sample, that fluency models are asked about (they were trained on no longer ones).
    """

    ratings: tuple[PreTrainedModel, ...]
    tokenizer: PreTrainedTokenizerFast
    fluency: tuple[PreTrainedModel, ...]
    policy_tokenizer: PreTrainedTokenizerFast
    reads: int
    doubts: tuple[float, ...]
    floor: float

    @staticmethod
    def calibrated(
        ratings: tuple[PreTrainedModel, ...],
        tokenizer: PreTrainedTokenizerFast,
        fluency: tuple[PreTrainedModel, ...],
        policy_tokenizer: PreTrainedTokenizerFast,
        reads: int,
        rows: Rows,
    ) -> "GoldModel":
        """`doubts` and `floor` from scores of real texts that no part was trained on, in the policies' tokens.

        All are rounded: see `Scale.centred`.
        """
        sure = (0.0,) * len(fluency)
        made = GoldModel(ratings, tokenizer, fluency, policy_tokenizer, reads, doubts=sure, floor=0.0)
        floor = made.rated(rows).double().quantile(FLOOR).item()
        doubts = (scores.double().quantile(RARELY).item() for scores in made.by_fluency(rows))
        return replace(made, doubts=tuple(round(doubt, 4) for doubt in doubts), floor=round(floor, 4))

    @staticmethod
    def load(
        folder: Path, policy_tokenizer: PreTrainedTokenizerFast, device: torch.device | str
    ) -> "GoldModel":
        """What `save` wrote."""
        ratings, fluency = (
            tuple(load_reward_model(path, device) for path in sorted(folder.glob(f"{part}_*")))
            for part in ("rating", "fluency")
        )
        gate = read_json(folder / "gate.json")
        gate["doubts"] = tuple(gate["doubts"])
        return GoldModel(ratings, load_tokenizer(folder / "tokenizer"), fluency, policy_tokenizer, **gate)

    def save(self, folder: Path) -> None:
        """All models, the rating models' tokenizer, and gate.json."""
        for part, models in {"rating": self.ratings, "fluency": self.fluency}.items():
            for k, model in enumerate(models):
                model.save_pretrained(folder / f"{part}_{k}")
        self.tokenizer.save_pretrained(folder / "tokenizer")
        gate = {"reads": self.reads, "doubts": list(self.doubts), "floor": self.floor}
        write_json(folder / "gate.json", gate)

    def score(self, samples: Samples, *, batch: int) -> Float[Tensor, " samples"]:
        """Raw gold reward of prompt and completion, on the CPU, in the order of `samples`."""
        return self.score_rows(samples.rows(), batch=batch)

    def score_rows(self, rows: Rows, *, batch: int = 256) -> Float[Tensor, " rows"]:
        """Raw gold reward of texts in the policies' tokens."""
        return self.gated(self.rated(rows, batch), self.fluent(rows, batch))

    def rated(self, rows: Rows, batch: int = 256) -> Float[Tensor, " rows"]:
        """Mean score of the rating models."""
        return Rating(self.ratings, self.tokenizer).score(rows, self.policy_tokenizer, batch)

    def fluent(self, rows: Rows, batch: int = 256) -> Float[Tensor, " rows"]:
        """How far above its doubt the fluency model that likes a text least scores it, in log-odds."""
        above = self.by_fluency(rows, batch) - torch.tensor(self.doubts)[:, None]
        return above.amin(0)

    def by_fluency(self, rows: Rows, batch: int = 256) -> Float[Tensor, "models rows"]:
        """Score of each fluency model: log-odds that the start of a text, as long as a sample, is real."""
        starts = [row[: self.reads] for row in rows]
        return torch.stack([score_all(model, starts, batch) for model in self.fluency])

    def gated(
        self, rating: Float[Tensor, " texts"], fluency: Float[Tensor, " texts"]
    ) -> Float[Tensor, " texts"]:
        """p * rating + (1 - p) * floor, with p = sigmoid(SHARPNESS * fluency), how surely it is text."""
        real = torch.sigmoid(SHARPNESS * fluency)
        return self.floor + real * (rating - self.floor)
