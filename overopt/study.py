"""What a study measures: a frozen, validated spec. Every field here is hashed into the results it affects.

How it is run (device, workers, micro-batch, paths) is not here: it must not change a result.
"""

from pathlib import Path
from typing import Annotated, Literal

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
    """The gold reward: what people would rate a text, if it is text at all."""

    rating: RatingModel
    fluency: FluencyModel


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
    validation: Share


class Proxies(Spec):
    """Proxy reward models: every model x number of training pairs x seed; one epoch, `batch` pairs a step."""

    models: tuple[str, ...]
    pairs: tuple[PositiveInt, ...]
    seeds: PositiveInt
    batch: PositiveInt = 64
    learning_rates: dict[str, PositiveFloat]


class BestOfN(Spec):
    """Evaluation prompts, samples a prompt, and the largest n of the curves."""

    prompts: PositiveInt
    samples: PositiveInt
    max_n: PositiveInt


class FarBestOfN(Spec):
    """Best-of-n far beyond the curves that laws are fitted to, for some proxies (of `pairs` pairs) and seeds.

    Only the `exact` best samples of a prompt by proxy are sure to be judged by gold: see `overopt.gold_inclusion`.
    """

    prompts: PositiveInt
    samples: PositiveInt
    max_n: PositiveInt
    exact: PositiveInt
    proxies: tuple[str, ...]
    pairs: PositiveInt
    seeds: PositiveInt


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


class PPORuns(Spec):
    """Which PPO runs: proxies (of `pairs` pairs) x seeds x KL penalties, in base-policy SDs a nat."""

    proxies: tuple[str, ...]
    pairs: PositiveInt
    seeds: PositiveInt
    kl_penalties: tuple[Annotated[float, Field(ge=0)], ...] = (0.0,)
    value_model: str
    run: PPO


class Study(Spec):
    """One study file. `models` names every language model; the other parts refer to them by name.

    In language models and the reward models made of them, token embeddings learn at `embedding_gain` times the
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
    ppo: PPORuns
    show_prompts: tuple[str, ...]

    @model_validator(mode="after")
    def _consistent(self) -> "Study":
        named = {
            "policy": [self.policy],
            "gold.fluency.model": [self.gold.fluency.model],
            "decoys.judges": [judge.model for judge in self.decoys.judges],
            "proxies.models": self.proxies.models,
            "proxies.learning_rates": self.proxies.learning_rates,
            "ppo.proxies": self.ppo.proxies,
            "ppo.value_model": [self.ppo.value_model],
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
        _require(
            set(self.proxies.models) == set(self.proxies.learning_rates),
            "proxies.learning_rates: expected one for each of proxies.models",
        )
        for field, runs in {"ppo": self.ppo, "far_best_of_n": self.far_best_of_n}.items():
            if runs:
                known = set(runs.proxies) <= set(self.proxies.models)
                _require(known, f"{field}.proxies: expected some of proxies.models")
                _require(runs.pairs in self.proxies.pairs, f"{field}.pairs: expected one of proxies.pairs")
                _require(runs.seeds <= self.proxies.seeds, f"{field}.seeds: expected at most proxies.seeds")
        available = round(self.pairs.count * (1 - self.pairs.validation))
        _require(
            max(self.proxies.pairs) <= available,
            f"proxies.pairs: found {max(self.proxies.pairs)}, expected at most the {available} training pairs",
        )
        for field, curve in {"best_of_n": self.best_of_n, "far_best_of_n": self.far_best_of_n}.items():
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
