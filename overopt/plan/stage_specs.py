"""What each kind of stage is told: built by the plan, kept as JSON in its key, parsed again for its function.

A field that is `unless(value)` is left out where it has that value: what a study does not ask for changes no key.
"""

from typing import Any

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from overopt.study.direct_parts import DirectLoss, DirectRun
from overopt.study.ensemble_parts import JoinName
from overopt.study.parts import Half, LanguageModel, Precision, Shape, Spec, Training, unless
from overopt.study.ppo_parts import PPO
from overopt.study.pretrained_parts import (
    RLOO,
    LoRA,
    NamedGold,
    PromptSource,
    Sampler,
    Sized,
    TextSource,
)
from overopt.study.rejection_parts import RejectionRun

# what several kinds share


class Nothing(Spec):
    """Parents say it all."""


class Reading(Spec):
    """frozen: how models are kept that only read."""

    frozen: Precision = unless("float32")


class Wrapping(Spec):
    """How prompts become tokens, where that is not as sentences of the world `reviews`."""

    prompt_tokens: NonNegativeInt = unless(0)
    chat: bool | None = unless(None)


class Prompting(Wrapping, Reading):
    """How prompts are drawn and completed; those of the world `reviews` are the first `prompt_words` of sentences."""

    completion_tokens: PositiveInt
    corpus_seed: int | None = unless(None)
    prompt_words: NonNegativeInt = unless(0)


class Drawing(Prompting):
    """With what a policy that nothing trains draws."""

    seed: int
    sampler: Sampler = unless("transformers")


class Curve(Spec):
    """The columns of the curves table that a stage's spec decides; setting: "" where a run is as the study runs all."""

    study: str
    world: str
    policy_params: int
    label_noise: float = 0.0
    ensemble: str = "single"
    setting: str = unless("")
    seed: int
    rounds: PositiveInt = 1
    round: PositiveInt = 1


class Curved(Spec):
    """Of a stage that measures a curve."""

    curve: Curve


class GainTraining(Training):
    """Training in which token embeddings learn at `embedding_gain` times the learning rate."""

    embedding_gain: PositiveFloat


# the world `reviews`


class CorpusSpec(Spec):
    """The texts of a world."""

    world: str
    seed: int


class TokenizerSpec(Spec):
    """tokens: as many are encoded as the language models will read, of either half where the text is `halved`."""

    vocabulary: PositiveInt
    sentence_tokens: PositiveInt
    seed: int
    tokens: PositiveInt
    halved: bool = unless(False)


class LanguageModelSpec(LanguageModel):
    """positions: what the model can read at most."""

    embedding_gain: PositiveFloat
    positions: PositiveInt
    seed: int


class WordVectorsSpec(Spec):
    """Vectors of `width` numbers, counted over so many sentences."""

    vocabulary: PositiveInt
    sentences: PositiveInt
    width: PositiveInt


class Rated(Spec):
    """raters: what ends the names of the columns of ratings; texts are cut at `sentence_tokens`."""

    seed: int
    raters: str
    sentence_tokens: PositiveInt


class RatingModelSpec(Rated):
    """One model of ratings; `kept`: the precision it is saved in."""

    shape: Shape
    training: GainTraining
    kept: Precision = unless("float32")


class RealTextSpec(Prompting):
    """A classifier of real text against its own corruption.

    From `texts` sentences, as many rated texts, and `read` of the sentences of which its language model has read a `half`;
    `kept`: the precision it is saved in.
    """

    seed: int
    texts: PositiveInt
    read: NonNegativeInt
    half: Half | None
    kept: Precision
    training: GainTraining


class GatedGoldSpec(Rated, Prompting):
    """Gold whose gates doubt the share `doubted` of `sentences` real ones, after the first `texts` of their split."""

    texts: NonNegativeInt
    sentences: PositiveInt
    doubted: float


class SharpenedSpec(Prompting):
    """`prompts`: real completions that set the temperature, after the first `skip`; samples of `show_prompts` are kept.

    known_from: the half of the reviews whose words are known.
    """

    seed: int
    skip: NonNegativeInt
    prompts: PositiveInt
    known_from: Half
    show_prompts: tuple[str, ...]


# the world `pretrained`; a model that somebody published is told what its study says


class CutSpec(Sized):
    """The first layers of the source."""

    layers: PositiveInt


class ScratchSpec(Sized):
    """A fresh model of the source's architecture."""

    layers: PositiveInt
    width: PositiveInt
    heads: PositiveInt
    seed: int


class TunedSpec(Sized, Training):
    """The source after fine-tuning on whole texts of at most `tokens` tokens."""

    texts: TextSource
    tokens: PositiveInt
    lora: LoRA | None
    seed: int


class PromptsSpec(Spec):
    """Every prompt, by use; `show` are the prompts for show."""

    prompt_tokens: PositiveInt
    chat: bool
    seed: int
    source: PromptSource
    show: tuple[str, ...]


class RatedGoldSpec(Training):
    """Only the last `train_layers` layers learn."""

    train_layers: PositiveInt
    seed: int


class NamedGoldSpec(NamedGold):
    """asked_in_chat: whether the policy's prompts are turns of a chat."""

    asked_in_chat: bool


# proxies


class PairsSpec(Drawing):
    """`per_prompt` pairs of each of `prompts` prompts, after the first `skip`."""

    prompts: PositiveInt
    skip: NonNegativeInt
    per_prompt: PositiveInt


class TRLSpec(Spec):
    """With TRL, through adapters where there are some."""

    lora: LoRA | None


class ProxySpec(Spec):
    """learning_rate: none where the parent `recipe` knows it; trl: none where the project's own trainer trains.

    head_seed: that draws the head it starts with, none where that is `seed`.
    """

    seed: int
    head_seed: int | None = unless(None)
    model: str
    pairs: PositiveInt
    epochs: PositiveInt
    label_noise: float = unless(0.0)
    validation: float
    batch: PositiveInt
    learning_rate: PositiveFloat | None
    embedding_gain: float
    trl: TRLSpec | None = unless(None)


class Joining(Spec):
    """So many proxies made into one, and the share of the pairs that is held out."""

    members: PositiveInt
    validation: float


class EnsembleSpec(Joining, Reading):
    """Their scores are joined; weight: of their variance, for the join that has one."""

    join: JoinName
    weight: float = unless(0.0)


class AveragedProxySpec(Joining):
    """Their weights are averaged."""


# curves


class SamplesSpec(Drawing):
    """`samples` completions of each of `show_prompts`, or of the evaluation prompts from `first` to before `last`.

    prompts: how many evaluation prompts there are.
    """

    use: str
    samples: PositiveInt
    show_prompts: tuple[str, ...] | None = unless(None)
    prompts: NonNegativeInt = unless(0)
    first: NonNegativeInt | None = unless(None)
    last: NonNegativeInt = unless(0)

    @property
    def asked(self) -> int:
        """Prompts that are completed here."""
        return self.last - (self.first or 0) if self.show_prompts is None else len(self.show_prompts)


class PoolSpec(Reading):
    """parts: how many parents are samples of the evaluation prompts."""

    parts: PositiveInt


class OverPool(Curved):
    """Best-of-n up to `max_n` of `samples` samples a prompt."""

    samples: PositiveInt
    max_n: PositiveInt


class OtherBestOfNSpec(OverPool, Reading):
    """Of another policy."""


class BestOfNSpec(OtherBestOfNSpec):
    """Of the study's policy."""

    show_prompts: tuple[str, ...]


class PredictionSpec(Curved, Reading):
    """Best-of-n to `max_n` predicted from the first `samples` of the `pool_samples` of each prompt."""

    pool_samples: PositiveInt
    samples: PositiveInt
    max_n: PositiveInt


class FarBestOfNSpec(OtherBestOfNSpec):
    """exact: so many of the best samples of a prompt are sure to be judged."""

    seed: int
    exact: PositiveInt
    parts: PositiveInt


class SelectionSpec(OverPool):
    """Of a softer best-of-n over scores that are there: soft best-of-n, or best-of-Poisson where there is no `tau`.

    tau: temperature, base-policy SDs of the proxy; seed: of how samples are dealt into groups of n.
    """

    tau: PositiveFloat | None = None
    seed: int


class Optimising(Prompting, Curved):
    """What every stage that optimises a policy is told; lora: the adapters that learn, none where all weights do.

    watched: whether what tells of overoptimisation without gold is recorded: see `overopt.stages.watching`.
    """

    seed: int
    evaluation_prompts: PositiveInt
    show_prompts: tuple[str, ...]
    lora: LoRA | None = unless(None)
    watched: bool = unless(False)
    kl_penalty: float


class PPOSpec(Optimising):
    """With PPO."""

    ppo: PPO


class SweepPrompting(Prompting):
    """Prompts of the PPO sweep: those of its split after the first `skip`, `evaluation_prompts` to look at policies on."""

    seed: int
    skip: NonNegativeInt
    evaluation_prompts: PositiveInt


class SweepBaseSpec(SweepPrompting, Drawing):
    """`samples` completions of each by the base policy."""

    samples: PositiveInt


class PPOTrialSpec(SweepPrompting):
    """One setting of PPO."""

    ppo: PPO


class RLOOSpec(Optimising):
    """With RLOO."""

    rloo: RLOO


class RejectionSpec(Optimising):
    """With rejection-sampling fine-tuning on the best of `n`."""

    n: PositiveInt
    run: RejectionRun


class DirectSpec(Optimising):
    """Direct alignment on `pairs` pairs; the share `validation` of all is held out. `kl_penalty` is beta, logits a nat."""

    loss: DirectLoss
    pairs: PositiveInt
    validation: float
    run: DirectRun


class HalvesSpec(Spec):
    """completion_tokens: of a text that did not end by itself."""

    completion_tokens: PositiveInt


class TablesSpec(Spec):
    """The study's own fields."""

    study: dict[str, Any]


class VerdictsSpec(Spec):
    """rules: the SHA-256 of every claim's number, text and rule."""

    rules: str


class RulePowerSpec(VerdictsSpec):
    """draws: of every known world."""

    draws: PositiveInt
