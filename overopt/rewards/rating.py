"""The rating half of gold in use: models of human ratings, which read text in a vocabulary of their own."""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from overopt.models.build import load_reward_model, load_tokenizer, token_ids
from overopt.rewards.scoring import Rows, score_all


def translate(
    rows: Rows, source: PreTrainedTokenizerFast, target: PreTrainedTokenizerFast, limit: int
) -> Rows:
    """Token rows of one tokenizer in the tokens of another, cut at `limit`; EOS stays where there is one."""
    texts = source.batch_decode(rows, skip_special_tokens=True)
    translated = []
    for row, tokens in zip(rows, token_ids(target, texts), strict=True):
        end = [target.eos_token_id] if row[-1] == source.eos_token_id else []
        translated.append([target.bos_token_id, *tokens, *end][:limit])
    return translated


@dataclass(frozen=True)
class Rating:
    """Rating models, whose mean counts, and their tokenizer."""

    models: tuple[PreTrainedModel, ...]
    tokenizer: PreTrainedTokenizerFast

    @staticmethod
    def load(folders: list[Path], device: torch.device | str) -> "Rating":
        """The models of these folders, which share a tokenizer."""
        models = tuple(load_reward_model(folder, device) for folder in folders)
        return Rating(models, load_tokenizer(folders[0]))

    def save(self, folder: Path) -> None:
        """`folder/rating_0` and so on, each with the tokenizer."""
        for k, model in enumerate(self.models):
            model.save_pretrained(folder / f"rating_{k}")
            self.tokenizer.save_pretrained(folder / f"rating_{k}")

    def score(
        self, rows: Rows, tokenizer: PreTrainedTokenizerFast, batch: int = 256
    ) -> Float[Tensor, " rows"]:
        """Mean raw rating of texts in the tokens of `tokenizer`, on the CPU, in their order."""
        own = translate(rows, tokenizer, self.tokenizer, self.models[0].config.n_positions)
        return torch.stack([score_all(model, own, batch) for model in self.models]).mean(0)
