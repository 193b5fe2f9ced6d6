"""What a study measures: a frozen, validated spec. Every field here is hashed into the results it affects.

How it is run (device, workers, micro-batch, paths) is not here: it must not change a result.
"""

from itertools import product
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from overopt.errors import UserError
from overopt.models import Shape

ROOT = Path(__file__).resolve().parents[1]
STUDIES = ROOT / "studies"

Share = Annotated[float, Field(gt=0, lt=1)]


class Spec(BaseModel):
    """A part of a study: frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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


class LanguageModel(Spec):
    """A pretrained decoder: shape and budget. `tokens` are training tokens, `batch` is in sentences."""

    shape: Shape
    tokens: PositiveInt
    batch: PositiveInt
    learning_rate: PositiveFloat


class Training(Spec):
    """Steps of `batch` texts each, at a learning rate that warms up and decays."""

    steps: PositiveInt
    batch: PositiveInt
    learning_rate: PositiveFloat


class RatingModel(Training):
    """The part of gold that predicts ratings: the mean of `members` models that differ in their seed.

    It has a vocabulary of its own, of lower-case word pieces, and starts from word vectors, counted over
    `sentences` review sentences, which learn at `embedding_gain` times the learning rate.
    """

    members: PositiveInt
    shape: Shape
    vocabulary: Annotated[int, Field(ge=512, le=65_535)]
    sentences: PositiveInt
    embedding_gain: PositiveFloat

    @property
    def parameters(self) -> int:
        """Parameters of all members, without embeddings."""
        return self.members * self.shape.parameters


class FluencyModel(Training):
    """The part of gold that tells real text from spoilt text: started from the language model `model`.

    Review sentences, and as many rated texts, are spoilt in each way: `texts` of either.
    """

    model: str
    texts: PositiveInt


class Gold(Spec):
    """The gold reward: what people would rate a text, if it is text at all.

    With `second`, gold learns from every other rating of a text, and a second gold, made in the same way from the
    ratings between and from other seeds, judges everything as well: where the two differ, gold is not to be trusted.
    """

    rating: RatingModel
    fluency: FluencyModel
    second: bool = False


class Judge(Spec):
    """A throw-away reward model: a rating model, gated by a fluency model where `fluency` says so."""

    model: str
    fluency: bool


class Decoys(Spec):
    """Texts of policies optimised against throw-away reward models: what gold learns to recognise as spoilt.

    One PPO run for each judge, which is trained like gold, for `reward_steps`. Texts are kept once the run has
    passed `min_kl` nats, so that mild optimisation is not punished.
    """

    judges: tuple[Judge, ...]
    reward_steps: PositiveInt
    prompts: PositiveInt
    min_kl: PositiveFloat
    max_kl: PositiveFloat
    max_steps: PositiveInt
    learning_rate: PositiveFloat


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
    """Proxies: every model x number of training pairs x passes over them x seed."""

    models: tuple[str, ...]
    pairs: tuple[PositiveInt, ...]
    epochs: tuple[PositiveInt, ...] = (1,)
    seeds: PositiveInt

    @property
    def cells(self) -> list["Cell"]:
        """Every proxy of the grid, the first seed of all before the second, the largest model first."""
        rest = product(range(self.seeds), reversed(self.models), self.pairs, self.epochs)
        return [Cell(model, pairs, epochs, seed) for seed, model, pairs, epochs in rest]


class Cell(NamedTuple):
    """One proxy of a grid."""

    model: str
    pairs: int
    epochs: int
    seed: int


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

    Only the `exact` best samples of a prompt by proxy are sure to be judged by gold: see `overopt.gold_inclusion`.
    """

    prompts: PositiveInt
    samples: PositiveInt
    max_n: PositiveInt
    exact: PositiveInt
    grid: Grid


class PPO(Spec):
    """One PPO run. Clip, GAE lambda and batch are the paper's; what it leaves open is ours.

    A run stops at `max_kl` nats or after `max_steps` iterations. It is evaluated on `evaluation_samples`
    completions of each evaluation prompt whenever sqrt(KL) has grown by `spacing`.
    """

    batch: PositiveInt = 256
    minibatch: PositiveInt
    epochs: PositiveInt
    clip: PositiveFloat = 0.2
    gae_lambda: Annotated[float, Field(ge=0, le=1)] = 0.95
    learning_rate: PositiveFloat
    value_learning_rate: PositiveFloat
    prompts: PositiveInt
    max_steps: PositiveInt
    max_kl: PositiveFloat
    spacing: PositiveFloat
    evaluation_samples: PositiveInt

    @model_validator(mode="after")
    def _batch_divides(self) -> "PPO":
        if self.batch % self.minibatch:
            raise ValueError(f"minibatch: found {self.minibatch}, expected a divisor of batch = {self.batch}")
        return self


class PPOGrid(Spec):
    """PPO runs: every proxy of `grid` x policy x KL penalty, in base-policy SDs a nat. No policy is the study's."""

    grid: Grid
    policies: tuple[str, ...] = ()
    kl_penalties: tuple[Annotated[float, Field(ge=0)], ...] = (0.0,)


class PPORuns(Spec):
    """Which PPO runs, with which value model, and how."""

    grids: tuple[PPOGrid, ...]
    value_model: str
    run: PPO


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


class Study(Spec):
    """One study file. `models` names every language model; the other parts refer to them by name.

    In language models, and the parts of gold made of them, token embeddings learn at `embedding_gain` times the
    learning rate.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    title: str
    world: Literal["reviews"]
    seed: Annotated[int, Field(ge=0)]
    text: Text
    embedding_gain: PositiveFloat
    models: dict[str, LanguageModel]
    policy: str
    gold: Gold
    decoys: Decoys
    pairs: Pairs
    proxies: Proxies
    best_of_n: BestOfN
    far_best_of_n: FarBestOfN | None = None
    other_policies: OtherPolicies | None = None
    ppo: PPORuns
    iterated: Iterated | None = None
    show_prompts: tuple[str, ...]

    @model_validator(mode="after")
    def _consistent(self) -> "Study":
        rates = self.proxies.learning_rates
        named = {
            "policy": [self.policy],
            "gold.fluency.model": [self.gold.fluency.model],
            "decoys.judges": [judge.model for judge in self.decoys.judges],
            "proxies.grids.models": self.proxies.models,
            "proxies.learning_rates": () if isinstance(rates, Sweep) else rates,
            "ppo.value_model": [self.ppo.value_model],
            "ppo.grids.policies": [name for grid in self.ppo.grids for name in grid.policies],
            "other_policies.models": self.other_policies.models if self.other_policies else (),
        }
        for field, names in named.items():
            for name in names:
                if name not in self.models:
                    raise ValueError(
                        f"{field}: found {name!r}, expected one of models: {', '.join(self.models)}"
                    )
        largest = max(self.models[name].shape.parameters for name in self.proxies.models)
        _require(
            self.gold.rating.parameters > largest,
            f"gold.rating: found {self.gold.rating.parameters:,} parameters, expected more than the {largest:,} "
            "of the largest proxy",
        )
        if not isinstance(rates, Sweep):
            _require(
                set(self.proxies.models) == set(rates),
                "proxies.learning_rates: expected one for each model of proxies.grids",
            )
        parts = {"far_best_of_n": self.far_best_of_n, "other_policies": self.other_policies}
        grids = [
            (f"{field}.grid", part.grid)
            for field, part in (parts | {"iterated": self.iterated}).items()
            if part
        ]
        grids += [("ppo.grids", part.grid) for part in self.ppo.grids]
        for field, grid in grids:
            for cell in grid.cells:
                found = f"{cell.model}, {cell.pairs} pairs, {cell.epochs} epochs, seed {cell.seed}"
                _require(
                    cell in self.proxies.cells, f"{field}: found {found}, expected proxies of proxies.grids"
                )
        available = round(self.pairs.count * (1 - self.pairs.validation))
        _require(
            self.proxies.pairs <= available,
            f"proxies.grids.pairs: found {self.proxies.pairs}, expected at most the {available} training pairs",
        )
        curves = {"best_of_n": self.best_of_n, "far_best_of_n": self.far_best_of_n}
        if self.other_policies:
            curves["other_policies.best_of_n"] = self.other_policies.best_of_n
        for field, curve in curves.items():
            if curve:
                _require(
                    curve.max_n <= curve.samples,
                    f"{field}.max_n: found {curve.max_n}, expected at most samples = {curve.samples}",
                )
        return self


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise ValueError(sentence)


def available() -> list[str]:
    """Names of the studies that come with the project."""
    return sorted(path.stem for path in STUDIES.glob("*.yaml"))


def load_study(name: str | Path) -> Study:
    """A study by name (`laptop`) or by the path of its YAML file.

    Raises:
        UserError: if there is no such study, the YAML is broken, or a field is unknown, missing or invalid.
    """
    path = Path(name) if str(name).endswith((".yaml", ".yml")) else STUDIES / f"{name}.yaml"
    if not path.is_file():
        raise UserError(
            f"study: found {str(name)!r}, expected one of {', '.join(available())} or a YAML file"
        )
    try:
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" at line {where.line + 1}" if where else ""
        raise UserError(f"{path.name}: found broken YAML{line}, expected a study") from error
    if not isinstance(fields, dict):
        raise UserError(f"{path.name}: found {type(fields).__name__}, expected the fields of a study")
    try:
        return Study.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        if first["type"] == "value_error":  # a sentence of ours, which starts with the field's own name
            place = f"{path.name}: {field}." if field else f"{path.name}: "
            raise UserError(f"{place}{first['ctx']['error']}") from error
        found = repr(first["input"]) if not isinstance(first["input"], dict) else "a table"
        raise UserError(f"{path.name}: {field}: found {found[:80]}: {first['msg']}") from error
