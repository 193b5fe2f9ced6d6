"""The gold reward in use: what people would rate a text, times whether it is language at all.

Nothing here has seen text of any policy. Rating models predict human ratings. Whether a text is language say two judges
that know real text alone: the likelihood of the completion under a language model that shares no text with the policies,
and, since a language model finds loops of likely words likely, a classifier of real text against its own corruption. How
strict they are is fixed by real text: the share of it that each of them doubts. A text that says its own words again is no
language, whatever they say: a classifier learns the repetitions that it is shown, and a policy finds others (departure from
the paper, whose gold model is trained on human comparisons of whole answers, good and bad).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from overopt.models.build import load_language_model, load_reward_model
from overopt.models.log_probs import total_log_probs
from overopt.models.samples import Samples
from overopt.rewards.rating import Rating
from overopt.rewards.repetition import repeats_itself
from overopt.rewards.scoring import Rows, score
from overopt.util.files import read_json, write_json

GATES = "gates.json"  # of a folder that holds such a gold
FLOOR = 0.05  # share of rated texts that are rated below what is no language is worth
SLOPE = 4.0  # of the gate's logit, per nat a token and per nat of the classifier's log-odds
# names of strictness: how often real text is doubted, as a multiple of what the study says
STRICTNESS = {"gold_lenient": 0.5, "gold": 1.0, "gold_strict": 2.0}


@dataclass(frozen=True)
class Gate:
    """What counts half as language: likelihood, nats a token of the completion; real, log-odds of the classifier."""

    likelihood: float
    real: float


@dataclass(frozen=True)
class Judged:
    """What the parts of gold say of samples: rating, raw; likelihood, nats a token of the completion; real, log-odds.

    repeats: whether prompt and completion together repeat themselves.
    """

    rating: Float[Tensor, " samples"]
    likelihood: Float[Tensor, " samples"]
    real: Float[Tensor, " samples"]
    repeats: Bool[Tensor, " samples"]

    def passes(self, gate: Gate) -> Float[Tensor, " samples"]:
        """How surely each sample is language, 0 to 1: both judges must find it so, and it must not repeat itself."""
        likely = torch.sigmoid(SLOPE * (self.likelihood - gate.likelihood))
        return likely * torch.sigmoid(SLOPE * (self.real - gate.real)) * ~self.repeats


def mean_log_prob(model: PreTrainedModel, samples: Samples, *, batch: int = 256) -> Float[Tensor, " samples"]:
    """Mean log-probability of a completion's tokens, EOS included, nats a token, on the CPU; `batch` changes no result."""
    return total_log_probs(model, samples, batch=batch) / samples.lengths.cpu()


class Likelihood:
    """`mean_log_prob` of a language model, which is not asked twice in a row about the same samples: golds share one."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model
        self._last: tuple[Samples, Float[Tensor, " samples"]] | None = None

    def __call__(self, samples: Samples, *, batch: int) -> Float[Tensor, " samples"]:
        """See `mean_log_prob`."""
        if self._last is None or self._last[0] is not samples:
            self._last = samples, mean_log_prob(self.model, samples, batch=batch)
        return self._last[1]

    def same_as(self, other: "Likelihood") -> bool:
        """Whether the two have the same weights, to the last bit."""
        mine, theirs = self.model.state_dict(), other.model.state_dict()
        return mine.keys() == theirs.keys() and all(map(torch.equal, mine.values(), theirs.values()))


@dataclass(frozen=True)
class GatedGold:
    """Ratings; a language model and a classifier of real text, which read the policies' own tokens.

    gates: by name, as in `STRICTNESS`; floor: the raw rating that text is worth which is no language.
    """

    rating: Rating
    language: Likelihood
    real: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    gates: Mapping[str, Gate]
    floor: float

    @staticmethod
    def calibrated(
        rating: Rating,
        language: PreTrainedModel,
        real: PreTrainedModel,
        tokenizer: PreTrainedTokenizerFast,
        *,
        sentences: Samples,
        rated: Rows,
        doubted: float,
    ) -> "GatedGold":
        """Gates that doubt the share `doubted` of real `sentences`, times `STRICTNESS`; a floor from `rated` texts.

        No part was trained on any of them. All is rounded: see `Scale.centred`.
        """
        made = GatedGold(rating, Likelihood(language), real, tokenizer, {}, 0.0)
        seen = made.judged(sentences, batch=256)
        gates = {
            name: Gate(
                *(
                    round(values.double().quantile(times * doubted).item(), 4)
                    for values in (seen.likelihood, seen.real)
                )
            )
            for name, times in STRICTNESS.items()
        }
        floor = round(rating.score(rated, tokenizer).double().quantile(FLOOR).item(), 4)
        return replace(made, gates=gates, floor=floor)

    @staticmethod
    def load(folder: Path, tokenizer: PreTrainedTokenizerFast, device: torch.device | str) -> "GatedGold":
        """What `save` wrote."""
        rating = Rating.load(sorted(folder.glob("rating_*")), device)
        language, real = (
            load_language_model(folder / "language", device),
            load_reward_model(folder / "real", device),
        )
        gates = read_json(folder / GATES)
        named = {name: Gate(**gate) for name, gate in gates["gates"].items()}
        return GatedGold(rating, Likelihood(language), real, tokenizer, named, gates["floor"])

    def sharing(self, other: "GatedGold") -> "GatedGold":
        """This gold, which asks the language model of `other` where it has the same."""
        return replace(self, language=other.language) if self.language.same_as(other.language) else self

    def save(self, folder: Path) -> None:
        """All models, and what fixes the gates."""
        self.rating.save(folder)
        self.language.model.save_pretrained(folder / "language")
        self.real.save_pretrained(folder / "real")
        gates = {
            name: {"likelihood": gate.likelihood, "real": gate.real} for name, gate in self.gates.items()
        }
        write_json(folder / GATES, {"gates": gates, "floor": self.floor})

    def score(self, samples: Samples, *, batch: int) -> Float[Tensor, " samples"]:
        """Raw gold reward of prompt and completion, on the CPU, in the order of `samples`."""
        return self.gold(self.judged(samples, batch=batch))

    def gold(self, judged: Judged, strictness: str = "gold") -> Float[Tensor, " samples"]:
        """p * rating + (1 - p) * floor, with p how surely a sample is language."""
        return self.floor + judged.passes(self.gates[strictness]) * (judged.rating - self.floor)

    def judged(self, samples: Samples, *, batch: int) -> Judged:
        """What each part says of samples, on the CPU, in their order."""
        rows = samples.rows()
        texts = self.tokenizer.batch_decode(rows, skip_special_tokens=True)
        return Judged(
            self.rating.score(rows, self.tokenizer, batch),
            self.language(samples, batch=batch),
            score(self.real, samples, batch=batch),
            torch.tensor([repeats_itself(text) for text in texts]),
        )
