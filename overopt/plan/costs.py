"""What one stage costs at most, by its kind: samples, tokens, floating-point operations and memory.

Counted are matrix products: 2 operations a parameter and token forward, 4 backward (Kaplan et al. 2020, section 2.1).
Texts are taken to be as long as they may be, PPO runs to last as many iterations as they may. Where `batch` is asked for,
so many completions are drawn or scored at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import sqrt

from overopt.engine.stage import Stage
from overopt.study.parts import Shape

FLOAT, HALF = 4, 2  # bytes: what is drawn and kept is float32; what only reads may be bfloat16
TRAINED = 4 * FLOAT  # bytes a parameter: weight, gradient, two moments of Adam
ACTIVATION = (
    68  # bytes a token, layer and unit of width, kept for the backward pass (Korthikanti et al. 2022, eq. 2)
)
LIBRARIES = 0.6e9  # bytes of a process that holds nothing yet
RATED_TOKENS = 32  # tokens of a rated text, on average at most

Count = int | float


@dataclass(frozen=True)
class Size:
    """A model: parameters outside the embeddings, and what its activations and logits depend on."""

    body: int
    layers: int
    width: int
    vocabulary: int

    @property
    def embeddings(self) -> int:
        """Parameters of the token embeddings, which the output layer shares or repeats."""
        return self.vocabulary * self.width

    @property
    def weights(self) -> int:
        """All parameters."""
        return self.body + self.embeddings


@dataclass(frozen=True)
class Price:
    """samples: completions drawn; tokens: drawn, read or learnt from; operations: by how fast they can be done
    (`drawing` is bound by memory, one token at a time); memory: bytes at once."""

    samples: Count = 0.0
    tokens: Count = 0.0
    drawing: Count = 0.0
    rest: Count = 0.0
    memory: Count = 0.0

    def seconds(self, *, tflops: float, drawing_tflops: float) -> float:
        """How long one process takes that does so many operations (of 10^12) a second, fewer while it draws."""
        return (self.drawing / drawing_tflops + self.rest / tflops) / 1e12

    def __add__(self, other: "Price") -> "Price":
        """One after the other in the same process."""
        counts = {
            name: getattr(self, name) + getattr(other, name)
            for name in ("samples", "tokens", "drawing", "rest")
        }
        return Price(**counts, memory=max(self.memory, other.memory))


def size(stage: Stage) -> Size:
    """The model that a stage makes."""
    spec, parents = stage.spec, stage.parents
    if "language_model" in parents:
        return size(parents["language_model"])
    if "policy" in parents:
        return size(parents["policy"])
    if "shape" in spec:
        shape, words = Shape(**spec["shape"]), parents.get("tokenizer") or parents["word_vectors"]
        return Size(shape.parameters, shape.layers, shape.width, words.spec["vocabulary"])
    source = size(parents["source"]) if "source" in parents else None
    width = spec.get("width") or (source.width if source else 0)
    vocabulary = spec.get("vocabulary") or (source.vocabulary if source else 0)
    layers = spec.get("layers") or (source.layers if source else 0)
    return Size(spec["parameters"], layers, width, vocabulary)


def judges(stage: Stage) -> list[Size]:
    """The models that a gold consists of."""
    parts = [
        part for role, part in stage.parents.items() if role.startswith(("rating_model", "fluency_model"))
    ]
    return [size(part) for part in parts] or [size(stage)]


def drawn(
    policy: Size, samples: Count, prompt: int, completion: int, batch: int, *, of_prompt: int = 1
) -> Price:
    """`samples` completions, `batch` at once, keys and values kept; the `of_prompt` of one prompt read it once."""
    tokens, rows = prompt + completion, min(batch, samples)
    cache = rows * tokens * policy.layers * 2 * policy.width
    held = FLOAT * (policy.weights + cache + 3 * rows * policy.vocabulary)
    once = prompt / min(batch, of_prompt)
    work = 2 * (policy.body * (once + completion) + policy.embeddings * completion) * samples
    return Price(samples, samples * completion, work, 0.0, LIBRARIES + held + kept(samples, tokens))


def kept(samples: Count, tokens: int) -> Count:
    """Bytes of so many samples in memory, and of copies on their way to other memory or disk."""
    return 4 * 8 * samples * tokens


def read(
    models: Iterable[Size], texts: Count, tokens: int, batch: int, *, logits: int = 0, unit: int = FLOAT
) -> Price:
    """`texts` read by each of `models`, of `unit` bytes a number; they give a score, or logits at `logits` tokens."""
    found = Price()
    for model in models:
        rows = min(batch, texts)
        held = (
            unit * (model.weights + rows * tokens * 6 * model.width)
            + FLOAT * rows * logits * model.vocabulary
        )
        work = 2 * texts * (model.body * tokens + model.embeddings * logits)
        found += Price(0.0, texts * tokens, 0.0, work, LIBRARIES + held)
    return found


def learnt(
    model: Size, texts: Count, tokens: int, batch: int, *, logits: int = 0, share: float = 1.0
) -> Price:
    """`texts` learnt from, `batch` a step. `share` of the weights learn, the others need no gradient and no moments;
    at 0 adapters learn, which are too small to count, but have something to learn from in every layer."""
    through = share or 1.0  # of the layers, what the backward pass goes through
    held = (FLOAT + share * (TRAINED - FLOAT)) * model.weights
    held += ACTIVATION * batch * tokens * through * model.layers * model.width
    held += 3 * FLOAT * batch * logits * model.vocabulary
    operations = 2 + 2 * through + 2 * share
    work = operations * texts * (model.body * tokens + model.embeddings * logits)
    return Price(0.0, texts * tokens, 0.0, work, LIBRARIES + held)


def language_model(stage: Stage, batch: int) -> Price:
    """The budget of tokens, once."""
    spec, tokens = stage.spec, stage.spec["positions"]
    return learnt(size(stage), spec["tokens"] / tokens, tokens, spec["batch"], logits=tokens)


def rating_model(stage: Stage, batch: int) -> Price:
    """Rated texts, once a step."""
    return _of_ratings(size(stage), **stage.spec["training"])


def fluency_model(stage: Stage, batch: int) -> Price:
    """Real texts and as many spoilt ones."""
    return _of_ratings(size(stage), **stage.spec["training"], texts=2)


def rated_gold(stage: Stage, batch: int) -> Price:
    """Rated texts; the last layers learn."""
    spec, whole = stage.spec, size(stage)
    return _of_ratings(whole, spec["steps"], spec["batch"], share=spec["train_layers"] / whole.layers)


def tuned_model(stage: Stage, batch: int) -> Price:
    """Whole texts, every token learnt."""
    spec, tokens, share = stage.spec, stage.spec["tokens"], 0.0 if stage.spec["lora"] else 1.0
    return learnt(
        size(stage), spec["steps"] * spec["batch"], tokens, spec["batch"], logits=tokens, share=share
    )


def pairs(stage: Stage, batch: int) -> Price:
    """Samples drawn and judged by gold."""
    spec, parents = stage.spec, stage.parents
    prompt, completion, each = spec["prompt_tokens"], spec["completion_tokens"], 2 * spec["per_prompt"]
    samples = spec["prompts"] * each
    made = drawn(size(parents["policy"]), samples, prompt, completion, batch, of_prompt=each)
    return made + read(judges(parents["gold"]), samples, prompt + completion, batch, unit=_unit(stage))


def samples(stage: Stage, batch: int) -> Price:
    """Samples drawn."""
    spec, each = stage.spec, stage.spec["samples"]
    prompts = spec["last"] - spec["first"] if "last" in spec else len(spec["show_prompts"])
    prompt, completion = spec.get("prompt_tokens", 0), spec["completion_tokens"]
    return drawn(size(stage.parents["policy"]), prompts * each, prompt, completion, batch, of_prompt=each)


def pool(stage: Stage, batch: int) -> Price:
    """Every sample judged by every gold."""
    return _over_pool(stage, _golds(stage), batch, _unit(stage))


def best_of_n(stage: Stage, batch: int) -> Price:
    """Every sample of the pool scored by the proxy."""
    return _over_pool(stage.parents["pool"], [size(stage.parents["proxy"])], batch, _unit(stage))


def far_best_of_n(stage: Stage, batch: int) -> Price:
    """Every sample scored by the proxy and judged."""
    return _over_pool(stage, [size(stage.parents["proxy"]), *_golds(stage)], batch, _unit(stage))


def proxy(stage: Stage, batch: int) -> Price:
    """Both texts of every pair, so often as there are epochs."""
    spec, of = stage.spec, stage.parents["pairs"].spec
    tokens = of["prompt_tokens"] + of["completion_tokens"]
    share = 0.0 if spec.get("trl", {}).get("lora") else 1.0
    texts = 2 * spec["pairs"] * spec["epochs"]
    return learnt(size(stage), texts, tokens, 2 * spec["batch"], share=share)


def _of_ratings(
    model: Size, steps: int, batch: int, *, texts: int = 1, share: float = 1.0, **_: float
) -> Price:
    return learnt(model, texts * steps * batch, RATED_TOKENS, batch, share=share)


def _unit(stage: Stage) -> int:
    """Bytes of a number in what only reads in a stage."""
    return HALF if stage.spec.get("frozen") == "bfloat16" else FLOAT


def _golds(stage: Stage) -> list[Size]:
    """The models of every gold that a stage asks."""
    golds = [stage.parents[role] for role in ("gold", "second_gold") if role in stage.parents]
    return [model for gold in golds for model in judges(gold)]


def _over_pool(pool: Stage, models: list[Size], batch: int, unit: int) -> Price:
    """Every sample of the parts of a stage read by each of `models`."""
    parts = [part.spec for role, part in pool.parents.items() if role.startswith("part_")]
    samples = sum((part["last"] - part["first"]) * part["samples"] for part in parts)
    tokens = parts[0]["prompt_tokens"] + parts[0]["completion_tokens"]
    found = read(models, samples, tokens, batch, unit=unit)
    return replace(found, memory=found.memory + kept(samples, tokens))


def ppo(stage: Stage, batch: int) -> Price:
    """Samples drawn, scored and learnt from, and looks at the policy."""
    spec, parents, run = stage.spec, stage.parents, stage.spec["ppo"]
    prompt, completion = spec["prompt_tokens"], spec["completion_tokens"]
    text = prompt + completion
    policy, value = size(parents["policy"]), size(parents["value_model"])
    reward = size(parents["proxy" if "proxy" in parents else "judge"])
    seen = [reward, *_golds(stage)]
    samples, epochs = run["max_steps"] * run["batch"], run["epochs"]
    looks = 1 + min(run["max_steps"], sqrt(run["max_kl"]) / run["spacing"])
    if run.get("look_every"):
        looks += run["max_steps"] / run["look_every"]
    watched = looks * spec.get("evaluation_prompts", spec.get("prompts", 0)) * run["evaluation_samples"]
    shared = "lora" in spec  # one set of weights is policy and reference
    parts: list[Price] = [
        drawn(policy, samples + watched, prompt, completion, batch),
        read([policy], samples + 2 * watched, text, batch, logits=completion),
        read([value, reward], samples, text, run["minibatch"]),
        read(seen, watched, text, run["minibatch"]),
        learnt(
            policy, epochs * samples, text, run["minibatch"], logits=completion, share=0.0 if shared else 1.0
        ),
        learnt(value, epochs * samples, text, run["minibatch"]),
    ]
    total = sum(parts, Price())
    # the value model with its optimiser, the reference and all judges are there throughout
    others = seen if shared else [policy, *seen]
    always = TRAINED * value.weights + sum(_unit(stage) * model.weights for model in others)
    return replace(total, memory=total.memory + always)


def rloo(stage: Stage, batch: int) -> Price:
    """Samples drawn, scored and learnt from, and looks at the policy."""
    spec, parents, run = stage.spec, stage.parents, stage.spec["rloo"]
    prompt, completion = spec["prompt_tokens"], spec["completion_tokens"]
    policy, text = size(parents["policy"]), prompt + completion
    seen = [size(parents["proxy"]), *_golds(stage)]
    samples = run["max_steps"] * run["batch"]
    looks = 2 + run["max_steps"] // run["look_every"]
    watched = looks * spec["evaluation_prompts"] * run["evaluation_samples"]
    total = drawn(policy, samples + watched, prompt, completion, batch)
    total += read([policy], 2 * watched, text, batch, logits=completion)
    total += read(seen[:1], samples, text, run["batch"]) + read(seen, watched, text, run["batch"])
    share = 0.0 if "lora" in spec else 1.0
    total += learnt(policy, samples, text, run["batch"], logits=completion, share=share)
    always = sum(_unit(stage) * model.weights for model in (policy, *seen))
    return replace(total, memory=total.memory + always)
