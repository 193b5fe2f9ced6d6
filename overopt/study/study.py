"""What a study measures: a frozen, validated spec. Every field here is hashed into the results it affects.

How it is run (device, workers, micro-batch, paths) is not here: it must not change a result.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, PositiveFloat, PositiveInt, ValidationError, model_validator

from overopt.study.direct_parts import Direct
from overopt.study.ensemble_parts import Ensembles
from overopt.study.parts import (
    BestOfN,
    FarBestOfN,
    GatedGold,
    Grid,
    Iterated,
    LanguageModel,
    OtherPolicies,
    Pairs,
    Precision,
    Proxies,
    Sharpening,
    Spec,
    Sweep,
    Text,
    unless,
)
from overopt.study.ppo_parts import PPORuns, PPOSweep, PPOVariants
from overopt.study.prediction_parts import Predictions
from overopt.study.pretrained_parts import (
    KINDS,
    Cut,
    Lengths,
    Loaded,
    LoRA,
    Model,
    PretrainedGold,
    PromptSource,
    RatedGold,
    RLOORuns,
    Sampler,
    Scratch,
    Tuned,
    made_of,
)
from overopt.study.rejection_parts import Rejection, Selection
from overopt.util.errors import UserError, printable
from overopt.util.paths import STUDIES


class Study(Spec):
    """What studies of every world share. `models` names every language model; the other parts refer to them by name.

    prompt_groups: the tables keep means over so many groups of evaluation prompts, which intervals are resampled from, and
    not what every prompt had.
    watchers: proxies of other seeds, at most so many, that look on where a policy is optimised against one: what a rule that
    stops without gold may see is then recorded too.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    title: str
    world: str
    seed: Annotated[int, Field(ge=0)]
    text: Text | Lengths
    models: Mapping[str, LanguageModel | Model]
    policy: str
    pairs: Pairs
    proxies: Proxies
    best_of_n: BestOfN
    far_best_of_n: FarBestOfN | None = None
    other_policies: OtherPolicies | None = None
    ppo: PPORuns | None = None
    iterated: Iterated | None = None
    direct: Direct | None = unless(None)
    ensembles: Ensembles | None = unless(None)
    selection: Selection | None = unless(None)
    rejection: Rejection | None = unless(None)
    variants: tuple[PPOVariants, ...] = unless(())
    watchers: PositiveInt | None = unless(None)
    predictions: Predictions | None = unless(None)
    show_prompts: tuple[str, ...]
    prompt_groups: Annotated[int, Field(ge=2)] | None = unless(None)

    @property
    def smallest_batch(self) -> int:
        """Texts of the smallest batch that anything learns from."""
        ppo = [self.ppo.run.minibatch] if self.ppo else []
        direct = [self.direct.run.batch] if self.direct else []
        rejection = [self.rejection.run.batch] if self.rejection else []
        return min([self.proxies.batch, *ppo, *direct, *rejection])

    def named(self) -> dict[str, Iterable[str]]:
        """The models that each field refers to."""
        rates, ppo = self.proxies.learning_rates, self.ppo
        return {
            "policy": [self.policy],
            "proxies.grids.models": self.proxies.models,
            "proxies.learning_rates": () if isinstance(rates, Sweep) else rates,
            "ppo.value_model": [ppo.value_model] if ppo else (),
            "ppo.grids.policies": [name for grid in ppo.grids for name in grid.policies] if ppo else (),
            "other_policies.models": self.other_policies.models if self.other_policies else (),
        }

    def more_grids(self) -> list[tuple[str, Grid]]:
        """Field and grid of every kind of reinforcement learning."""
        own = [("ppo.grids", part.grid) for part in (self.ppo.grids if self.ppo else ())]
        return own + [("variants.grid", part.grid) for part in self.variants]

    @model_validator(mode="after")
    def _consistent(self) -> "Study":
        for field, names in self.named().items():
            for name in names:
                if name not in self.models:
                    raise ValueError(
                        f"{field}: found {name!r}, expected one of models: {', '.join(self.models)}"
                    )
        if not isinstance(self.proxies.learning_rates, Sweep):
            _require(
                set(self.proxies.models) == set(self.proxies.learning_rates),
                "proxies.learning_rates: expected one for each model of proxies.grids",
            )
        available = round(self.pairs.count * (1 - self.pairs.validation))
        _require(
            self.proxies.pairs <= available,
            f"proxies.grids.pairs: found {self.proxies.pairs}, expected at most the {available} training pairs",
        )
        if self.direct:
            self.direct.check_against(available=available, samples=self.best_of_n.samples)
        if self.predictions:
            self.predictions.check_against(samples=self.best_of_n.samples)
        _require(
            not self.iterated or bool(self.ppo), "iterated: expected ppo as well: each round is a PPO run"
        )
        for part in self.variants:
            if not self.ppo:
                raise ValueError("variants: expected ppo as well, which says what they vary")
            try:
                part.check_against(self.ppo.run)
            except ValueError as error:
                raise ValueError(f"variants.{error}") from None
        _require(
            not self.ensembles or not self.ensembles.ppo or bool(self.ppo),
            "ensembles.ppo: expected ppo as well, which says how a policy is optimised",
        )
        grids = [
            (f"{field}.grid", part.grid)
            for field, part in {
                "far_best_of_n": self.far_best_of_n,
                "other_policies": self.other_policies,
                "iterated": self.iterated,
                "ensembles": self.ensembles,
                "selection": self.selection,
                "rejection": self.rejection,
                "predictions": self.predictions,
            }.items()
            if part
        ]
        grids += self.more_grids()
        known = set(self.proxies.cells)
        for field, grid in grids:
            for cell in grid.cells:
                found = f"{cell.model}, {cell.pairs} pairs, {cell.epochs} epochs, seed {cell.seed}"
                _require(cell in known, f"{field}: found {found}, expected proxies of proxies.grids")
        curves = {"best_of_n": self.best_of_n, "far_best_of_n": self.far_best_of_n}
        if self.other_policies:
            curves["other_policies.best_of_n"] = self.other_policies.best_of_n
        groups = self.prompt_groups or 1
        for field, curve in curves.items():
            if curve:
                _require(
                    curve.prompts % groups == 0,
                    f"{field}.prompts: found {curve.prompts}, expected a multiple of prompt_groups = {groups}",
                )
                _require(
                    curve.max_n <= curve.samples,
                    f"{field}.max_n: found {curve.max_n}, expected at most samples = {curve.samples}",
                )
        return self


class ReviewsStudy(Study):
    """A study that makes its models itself, from movie reviews.

    In language models, and the parts of gold made of them, token embeddings learn at `embedding_gain` times the
    learning rate.
    """

    world: Literal["reviews"]
    text: Text
    embedding_gain: PositiveFloat
    models: dict[str, LanguageModel]
    gold: GatedGold
    sharpening: Sharpening | None = unless(None)
    ppo: PPORuns
    ppo_sweep: PPOSweep | None = unless(None)

    def named(self) -> dict[str, Iterable[str]]:
        """See `Study.named`."""
        return super().named() | {
            "gold.language": [self.gold.language],
            "gold.real.model": [self.gold.real.model],
            "sharpening.judge": [self.sharpening.judge] if self.sharpening else (),
            "ppo_sweep.model": [self.ppo_sweep.model] if self.ppo_sweep else (),
        }

    @property
    def spent_on_text(self) -> int:
        """How many sentences of the split that no policy is trained or judged on gold and sharpening use, its first ones."""
        sharpened = self.sharpening.prompts if self.sharpening else 0
        return self.gold.real.texts + self.gold.sentences + sharpened

    @model_validator(mode="after")
    def _sweep_has_what_is_run(self) -> "ReviewsStudy":
        if sweep := self.ppo_sweep:
            _require(
                sweep.model in self.proxies.models,
                f"ppo_sweep.model: found {sweep.model!r}, expected a model of proxies.grids",
            )
            available = round(self.pairs.count * (1 - self.pairs.validation))
            _require(
                sweep.pairs <= available,
                f"ppo_sweep.pairs: found {sweep.pairs}, expected at most the {available} training pairs",
            )
            _require(
                sweep.setting_of(self.ppo.run) is not None,
                f"ppo.run: found a run that ppo_sweep does not try, expected one of {', '.join(sweep.settings)}",
            )
        return self

    @model_validator(mode="after")
    def _gold_is_largest(self) -> "ReviewsStudy":
        largest = max(self.models[name].parameters for name in self.proxies.models)
        _require(
            self.gold.rating.parameters > largest,
            f"gold.rating: found {self.gold.rating.parameters:,} parameters, expected more than the {largest:,} "
            "of the largest proxy",
        )
        return self

    @model_validator(mode="after")
    def _gold_has_not_read_what_the_policy_has(self) -> "ReviewsStudy":
        judges = {"gold.language": self.gold.language, "gold.real.model": self.gold.real.model}
        if self.sharpening:
            judges["sharpening.judge"] = self.sharpening.judge
        learning = {self.policy, *self.proxies.models, self.ppo.value_model}
        for field, name in judges.items():
            half = self.models[name].half
            _require(
                half is not None and all(self.models[other].half not in (half, None) for other in learning),
                f"{field}: found {name!r}, expected a model of the half of the reviews that policy and proxies "
                "do not read",
            )
        return self


class PretrainedStudy(Study):
    """A study of models that somebody else trained. All of `models` read the policy's tokens; gold may have its own.

    With `trl`, proxies are trained by TRL's RewardTrainer, through adapters where there is `proxy_lora`; with
    `policy_lora` PPO trains adapters alone, and the policy without them is the reference. `sampler` draws the pairs and
    the samples for best-of-n; PPO's own completions come from transformers. `frozen` is the precision of models that only
    read: gold, proxies in use, and the reference.
    """

    world: Literal["pretrained"]
    text: Lengths
    prompts: PromptSource
    models: dict[str, Model]
    gold: PretrainedGold
    trl: bool = False
    proxy_lora: LoRA | None = None
    policy_lora: LoRA | None = None
    sampler: Sampler = "transformers"
    frozen: Precision = "float32"
    rloo: RLOORuns | None = None

    def named(self) -> dict[str, Iterable[str]]:
        """See `Study.named`."""
        models = self.models.values()
        return super().named() | {
            "models.cut": [model.cut for model in models if isinstance(model, Cut)],
            "models.sft": [model.sft for model in models if isinstance(model, Tuned)],
            "models.scratch": [model.scratch for model in models if isinstance(model, Scratch)],
            "gold.model": [self.gold.model] if isinstance(self.gold, RatedGold) else (),
        }

    def more_grids(self) -> list[tuple[str, Grid]]:
        """See `Study.more_grids`."""
        return super().more_grids() + ([("rloo.grid", self.rloo.grid)] if self.rloo else [])

    @model_validator(mode="after")
    def _derived_of_loaded(self) -> "PretrainedStudy":
        for name, model in self.models.items():
            if isinstance(model, Loaded):
                continue
            source = made_of(model)
            _require(
                isinstance(self.models[source], Loaded),
                f"models.{name}: found {source!r}, expected a model with hub, path or package",
            )
        if self.proxy_lora and not self.trl:
            raise ValueError("proxy_lora: found adapters without trl, expected trl: true as well")
        return self


WORLDS: dict[str, type[Study]] = {"reviews": ReviewsStudy, "pretrained": PretrainedStudy}


def parse_study(fields: Mapping[Any, Any]) -> Study:
    """A study of the world that `fields` names.

    Raises:
        pydantic.ValidationError: if a field is unknown, missing or invalid.
        UserError: if there is no such world.
    """
    world = fields.get("world")
    if not isinstance(world, str) or world not in WORLDS:
        raise UserError(f"world: found {world!r}, expected one of {', '.join(WORLDS)}")
    return WORLDS[world].model_validate(fields)


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

    >>> study = load_study("smoke")
    >>> study.best_of_n.samples  # completions of each evaluation prompt
    80
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
        return parse_study(fields)
    except UserError as error:
        raise UserError(f"{path.name}: {error}") from None
    except ValidationError as error:
        raise UserError(f"{path.name}: {printable(_first_error(error))}") from error


def _first_error(error: ValidationError) -> str:
    """The first of pydantic's findings: the field, what was found there, what was expected."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"] if part not in KINDS)
    if first["type"] == "value_error":  # a sentence of ours, which starts with the field's own name
        sentence = str(first["ctx"]["error"])
        joint = ": " if sentence.startswith("found") else "."
        return f"{field}{joint}{sentence}" if field else sentence
    if first["type"] == "missing":
        return f"{field}: found nothing, expected this field"
    found = repr(first["input"]) if not isinstance(first["input"], dict) else "a table"
    return f"{field}: found {found[:80]}: {first['msg']}"
