"""The parts of a study of pretrained models: where they come from, what is asked of them, what judges them."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, PositiveFloat, PositiveInt, Tag, model_validator

from overopt.study.parts import Grid, Spec, Training

Sampler = Literal["transformers", "vllm"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Lengths(Spec):
    """In tokens of the policy's tokenizer. With `chat`, a prompt is a user's turn, wrapped in the policy's template.

    `prompt_tokens` counts the template and special tokens. A longer prompt is an error: nothing is ever cut.
    """

    prompt_tokens: PositiveInt
    completion_tokens: PositiveInt
    chat: bool = False


def _only_one(source: "TextSource | Published", kinds: list[str]) -> None:
    """Something comes from one place, and from a path only with a SHA-256: its name says nothing of what is in it."""
    given = [kind for kind in kinds if getattr(source, kind)]
    if len(given) != 1:
        raise ValueError(f"found {' and '.join(given) or 'none'}, expected one of {', '.join(kinds)}")
    if source.path and not source.sha256:
        raise ValueError("sha256: found none, expected that of the file or weights at path")


class TextSource(Spec):
    """Texts of a file or of a dataset of the hub.

    A file is .txt, .jsonl or .parquet with a field `column`; `sha256` is that of the file. Of a dataset, `column` of
    `split` is read.
    """

    path: str | None = None
    sha256: Sha256 | None = None
    dataset: str | None = None
    revision: str = "main"
    split: str = "train"
    column: str = "text"

    @model_validator(mode="after")
    def _one_source(self) -> "TextSource":
        _only_one(self, [name for name in ("path", "dataset", "reviews") if hasattr(self, name)])
        return self


class Sized(Spec):
    """A model of `parameters` parameters outside its embeddings, which is checked when it is made.

    Sizes stand in the study file so that a study can be priced before anything is downloaded.
    """

    parameters: PositiveInt


class Published(Sized):
    """A model as somebody published it: one of a hub id, a folder, or a package that we know.

    revision: branch, tag or commit of a hub id; sha256: of the weights (see `overopt.models.published`), needed for a
    folder, whose name says nothing of what is in it, and checked wherever it is given.
    """

    hub: str | None = None
    revision: str = "main"
    path: str | None = None
    package: Literal["smollm2-135m-instruct"] | None = None
    sha256: Sha256 | None = None
    layers: PositiveInt
    width: PositiveInt

    @model_validator(mode="after")
    def _one_source(self) -> "Published":
        _only_one(self, ["hub", "path", "package"])
        return self


class Loaded(Published):
    """A published causal language model; `vocabulary` is the number of rows of its output layer."""

    vocabulary: PositiveInt


class Cut(Sized):
    """The first `layers` layers of another model, under its last norm and output."""

    cut: str
    layers: PositiveInt


class LoRA(Spec):
    """Low-rank adapters on the linear layers that peft names for an architecture (Hu et al. 2021)."""

    rank: PositiveInt
    alpha: PositiveInt


class RLOO(Spec):
    """One run of TRL's RLOO: `batch` completions an iteration, `completions` of each prompt; no KL penalty.

    It stops after `max_steps` iterations or at `max_kl` nats, and is looked at every `look_every` iterations.
    """

    batch: PositiveInt
    completions: Annotated[int, Field(ge=2)]
    learning_rate: PositiveFloat
    prompts: PositiveInt
    max_steps: PositiveInt
    max_kl: PositiveFloat
    look_every: PositiveInt
    evaluation_samples: PositiveInt

    @model_validator(mode="after")
    def _batch_divides(self) -> "RLOO":
        if self.batch % self.completions:
            raise ValueError(
                f"completions: found {self.completions}, expected a divisor of batch = {self.batch}"
            )
        return self


class RLOORuns(Spec):
    """RLOO of the study's policy against every proxy of `grid`."""

    grid: Grid
    run: RLOO


class Tuned(Sized, Training):
    """Another model after supervised fine-tuning on whole texts of at most `tokens` tokens, every token learnt."""

    sft: str
    texts: TextSource
    tokens: PositiveInt
    lora: LoRA | None = None


class Scratch(Sized):
    """An untrained model with the architecture and vocabulary of another."""

    scratch: str
    layers: PositiveInt
    width: PositiveInt
    heads: PositiveInt

    @model_validator(mode="after")
    def _heads_divide(self) -> "Scratch":
        if self.width % (2 * self.heads):
            raise ValueError(
                f"width: found {self.width}, expected a multiple of twice the {self.heads} heads"
            )
        return self


def made_of(model: Cut | Scratch | Tuned) -> str:
    """The name of the model that another starts from."""
    match model:
        case Cut():
            return model.cut
        case Scratch():
            return model.scratch
        case Tuned():
            return model.sft


def _kind(fields: object) -> str:
    """What a model's fields say it is: errors then name the fields of that kind alone."""
    given = fields if isinstance(fields, dict) else vars(fields)
    return next((kind for kind in ("cut", "scratch", "sft") if kind in given), "loaded")


# tags of what may be one of several: no part of a field's name
KINDS = ("loaded", "cut", "scratch", "sft", "rated", "named")

Model = Annotated[
    Annotated[Loaded, Tag("loaded")]
    | Annotated[Cut, Tag("cut")]
    | Annotated[Scratch, Tag("scratch")]
    | Annotated[Tuned, Tag("sft")],
    Discriminator(_kind),
]


class PromptSource(TextSource):
    """Where prompts come from: texts, or with `reviews` the first `words` words of movie-review sentences."""

    column: str = "prompt"
    reviews: bool = False
    words: PositiveInt = 5


class RatedGold(Training):
    """Gold made here, of `model`, from human ratings of sentences; only its last `train_layers` layers learn."""

    model: str
    train_layers: PositiveInt


class NamedGold(Published):
    """A reward model that somebody published; it reads text, in its own tokens.

    chat: whether it reads two turns of a chat, in its own template; pair: whether it reads prompt and completion as a pair;
    ends: what finished completions end with (`auto`: what is recorded with the model); logit: which of several, by its
    label, or A-B.
    """

    chat: bool = False
    pair: bool = False
    ends: Literal["auto", "eos", "nothing"] = "auto"
    logit: str | None = None

    @model_validator(mode="after")
    def _one_form(self) -> "NamedGold":
        if self.chat and self.pair:
            raise ValueError("found chat and pair, expected one of them")
        return self

    @property
    def reads(self) -> str:
        """text, pair or chat."""
        return "chat" if self.chat else "pair" if self.pair else "text"


def _made(fields: object) -> str:
    given = fields if isinstance(fields, dict) else vars(fields)
    return "rated" if "model" in given else "named"


PretrainedGold = Annotated[
    Annotated[RatedGold, Tag("rated")] | Annotated[NamedGold, Tag("named")], Discriminator(_made)
]
