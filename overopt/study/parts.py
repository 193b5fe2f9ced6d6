"""The parts of a study: frozen, validated fields. `overopt.study.study` joins them and checks that they agree."""

from itertools import product
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

Share = Annotated[float, Field(gt=0, lt=1)]


class Spec(BaseModel):
    """A part of a study: frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def unless(value: object) -> Any:
    """A field whose default is `value`, and which JSON then leaves out: what a study does not ask for changes no key."""
    return Field(default=value, exclude_if=lambda found: found == value)


def each_once(values: tuple[object, ...]) -> tuple[object, ...]:
    """`values`, if no two are equal.

    Raises:
        ValueError: in one sentence, if some are.
    """
    if len(set(values)) < len(values):
        raise ValueError(f"found {', '.join(map(str, values))}, expected each once")
    return values


class Shape(Spec):
    """Depth, width and attention heads of a transformer decoder."""

    layers: PositiveInt
    width: PositiveInt
    heads: PositiveInt

    @property
    def parameters(self) -> int:
        """Parameters outside the embeddings: what `count_parameters` counts in a language model of this shape."""
        return self.layers * (12 * self.width**2 + 13 * self.width) + 2 * self.width


class Text(Spec):
    """Lengths. A prompt is the first `prompt_words` words of a sentence, if that is at most `prompt_tokens` tokens."""

    vocabulary: Annotated[int, Field(ge=512, le=65_535)]
    sentence_tokens: PositiveInt
    prompt_words: PositiveInt
    prompt_tokens: PositiveInt
    completion_tokens: PositiveInt

    @property
    def positions(self) -> int:
        """Positions a model needs."""
        return max(self.sentence_tokens, self.prompt_tokens + self.completion_tokens)


Half = Literal["first", "second"]
Precision = Literal["float32", "bfloat16"]


class LanguageModel(Spec):
    """A pretrained decoder: shape and budget. `tokens` are training tokens, `batch` is in sentences.

    half: of the reviews for language models, those that it reads; all of them where it is left out. Models of different
    halves share no review. kept: the precision of its weights once it is trained.
    """

    shape: Shape
    tokens: PositiveInt
    batch: PositiveInt
    learning_rate: PositiveFloat
    half: Half | None = unless(None)
    kept: Precision = unless("float32")

    @property
    def parameters(self) -> int:
        """Parameters outside the embeddings."""
        return self.shape.parameters


class Training(Spec):
    """Steps of `batch` texts each, at a learning rate that warms up and decays."""

    steps: PositiveInt
    batch: PositiveInt
    learning_rate: PositiveFloat


class RatingModel(Training):
    """The part of gold that predicts ratings: the mean of `members` models that differ in their seed.

    It has a vocabulary of its own, of lower-case word pieces, and starts from word vectors, counted over
    `sentences` review sentences, which learn at `embedding_gain` times the learning rate. kept: the precision of its
    weights once it is trained.
    """

    members: PositiveInt
    shape: Shape
    vocabulary: Annotated[int, Field(ge=512, le=65_535)]
    sentences: PositiveInt
    embedding_gain: PositiveFloat
    kept: Precision = unless("float32")

    @property
    def parameters(self) -> int:
        """Parameters of all members, without embeddings."""
        return self.members * self.shape.parameters


class RealText(Training):
    """The part of gold that tells real text from its own corruption, in the ways of `overopt.data.spoil.CORRUPTIONS`.

    It starts from `model`, and learns from `texts` sentences, as many rated texts, and `read` of the sentences that
    `model` has read. kept: the precision of its weights once it is trained.
    """

    model: str
    texts: PositiveInt
    read: NonNegativeInt
    kept: Precision = "float32"


class GatedGold(Spec):
    """The gold reward: what people would rate a text, times whether it is language at all.

    Nothing of it sees text of any policy. `language` is a language model that shares no text with the policies; it and
    the classifier `real` each doubt the share `doubted` of `sentences` real sentences that neither was trained on.

    With `second`, gold learns from every other rating of a text, and a second gold from those between, with seeds of its
    own: where the two part, at least one is wrong. Both read the same `language`: the reviews have two halves.
    """

    second: bool = unless(False)
    rating: RatingModel
    language: str
    real: RealText
    doubted: Share
    sentences: PositiveInt


class Sharpening(Spec):
    """Policies are language models at a lower temperature, one that a rule chooses which looks at text alone.

    At it as many words of a policy's samples are known from the half of the reviews that `judge` reads, and the policy does
    not, as of the real completions of the same `prompts` prompts, which serve nothing else. `judge` tells how likely
    either is. The counterpart of the paper's supervised fine-tuning: it makes a small model write sentences.
    """

    judge: str
    prompts: PositiveInt


class Pairs(Spec):
    """Pairs of base-policy samples that share a prompt, labelled by gold; `validation` is the held-out share."""

    count: PositiveInt
    per_prompt: PositiveInt = 1
    validation: Share

    @model_validator(mode="after")
    def _prompts_divide(self) -> "Pairs":
        if self.count % self.per_prompt:
            raise ValueError(
                f"count: found {self.count}, expected a multiple of per_prompt = {self.per_prompt}"
            )
        return self


class Grid(Spec):
    """Proxies: every model x number of training pairs x passes over them x share of labels that are turned round x seed."""

    models: tuple[str, ...]
    pairs: tuple[PositiveInt, ...]
    epochs: tuple[PositiveInt, ...] = (1,)
    label_noise: tuple[Annotated[float, Field(ge=0, lt=0.5)], ...] = unless((0.0,))
    seeds: PositiveInt

    @property
    def cells(self) -> list["Cell"]:
        """Every proxy of the grid, the first seed of all before the second, the largest model first."""
        rest = product(range(self.seeds), reversed(self.models), self.pairs, self.epochs, self.label_noise)
        return [Cell(model, pairs, epochs, seed, noise) for seed, model, pairs, epochs, noise in rest]


class Cell(NamedTuple):
    """One proxy of a grid."""

    model: str
    pairs: int
    epochs: int
    seed: int
    label_noise: float = 0.0


class Sweep(Spec):
    """Learning rates to choose from for each proxy size: the one with the lowest validation loss.

    Trained on `pairs` pairs of prompts that serve nothing else, with a seed that serves nothing else.
    """

    pairs: PositiveInt
    rates: tuple[PositiveFloat, ...]


class Proxies(Spec):
    """Proxy reward models: the cells of all grids; `batch` pairs a step.

    learning_rates: one for each size, or the sweep that chooses them; embedding_gain: see `Study`, at 0 the token
    embeddings stay those of the language model. They outnumber all else in a small model, and learning them makes
    every size much the same bag of words.
    """

    grids: Annotated[tuple[Grid, ...], Field(min_length=1)]
    batch: PositiveInt = 64
    embedding_gain: Annotated[float, Field(ge=0)]
    learning_rates: dict[str, PositiveFloat] | Sweep

    @property
    def models(self) -> tuple[str, ...]:
        """Every model of the grids, in their order."""
        return tuple(dict.fromkeys(model for grid in self.grids for model in grid.models))

    @property
    def cells(self) -> list[Cell]:
        """The proxies of all grids, each once; the first seed of all before the second."""
        return sorted(dict.fromkeys(cell for grid in self.grids for cell in grid.cells), key=lambda c: c.seed)

    @property
    def pairs(self) -> int:
        """The largest number of training pairs."""
        return max(cell.pairs for cell in self.cells)

    @property
    def seeds(self) -> int:
        """The largest number of seeds."""
        return max(grid.seeds for grid in self.grids)


class BestOfN(Spec):
    """Evaluation prompts, samples a prompt, and the largest n of the curves."""

    prompts: PositiveInt
    samples: PositiveInt
    max_n: PositiveInt


class FarBestOfN(Spec):
    """Best-of-n far beyond the curves that laws are fitted to, for the proxies of `grid`.

    Only the `exact` best samples of a prompt by proxy are sure to be judged by gold: see `overopt.estimators.partial_gold`.
    """

    prompts: PositiveInt
    samples: PositiveInt
    max_n: PositiveInt
    exact: PositiveInt
    grid: Grid


class OtherPolicies(Spec):
    """Best-of-n of other policies by the proxies of `grid`, which were trained on the study's policy."""

    models: tuple[str, ...]
    grid: Grid
    best_of_n: BestOfN


class Iterated(Spec):
    """Rounds of RLHF: new pairs from the policy of the round before, a new proxy, PPO from there.

    For each k of `rounds`, k rounds that cover `distance` / k each, in sqrt(nats) from the policy they start from
    (paper, section 4.4). The first round takes the proxies of `grid`; each later one trains its own, on as many pairs.
    """

    grid: Grid
    rounds: tuple[Annotated[int, Field(ge=2)], ...]
    distance: PositiveFloat
