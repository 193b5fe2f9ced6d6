"""What a study costs before it is run: samples, tokens, floating-point operations and memory of every stage, at most.

Counted are matrix products: 2 operations a parameter and token forward, 4 backward (Kaplan et al. 2020, section 2.1).
Texts are taken to be as long as they may be, PPO runs to last as many iterations as they may.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import sqrt

from overopt.engine.plan import Plan
from overopt.engine.record import RECORD, costs, read_record
from overopt.engine.stage import Stage
from overopt.engine.store import Store
from overopt.plan.core_speed import CORE_DRAWING_TFLOPS, CORE_TFLOPS
from overopt.study.parts import Shape

FLOAT, HALF = 4, 2  # bytes: what is drawn and kept is float32; what only reads may be bfloat16
TRAINED = 4 * FLOAT  # bytes a parameter: weight, gradient, two moments of Adam
ACTIVATION = (
    68  # bytes a token, layer and unit of width, kept for the backward pass (Korthikanti et al. 2022, eq. 2)
)
LIBRARIES = 0.6e9  # bytes of a process that holds nothing yet
RATED_TOKENS = 32  # tokens of a rated text, on average at most
STAGE_SECONDS = 1.0  # of a stage beside its models' work

Count = int | float
Costs = Mapping[str, Mapping[str, float]]


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


def price(stage: Stage, batch: int) -> Price:
    """What one stage costs at most; `batch` completions are drawn or scored at once."""
    spec, parents = stage.spec, stage.parents
    prompt, completion = spec.get("prompt_tokens", 0), spec.get("completion_tokens", 0)
    text, unit = prompt + completion, _unit(stage)
    match stage.name:
        case "language_model":
            tokens = spec["positions"]
            return learnt(size(stage), spec["tokens"] / tokens, tokens, spec["batch"], logits=tokens)
        case "rating_model" | "fluency_model" | "rated_gold":
            steps = spec.get("training", spec)
            texts = steps["steps"] * steps["batch"] * (1 + (stage.name == "fluency_model"))
            whole = size(stage)
            share = spec.get("train_layers", whole.layers) / whole.layers
            return learnt(whole, texts, RATED_TOKENS, steps["batch"], share=share)
        case "tuned_model":
            texts, tokens, lora = spec["steps"] * spec["batch"], spec["tokens"], bool(spec["lora"])
            return learnt(
                size(stage), texts, tokens, spec["batch"], logits=tokens, share=0.0 if lora else 1.0
            )
        case "pairs":
            samples = 2 * spec["prompts"] * spec["per_prompt"]
            each = 2 * spec["per_prompt"]
            made = drawn(size(parents["policy"]), samples, prompt, completion, batch, of_prompt=each)
            return made + read(judges(parents["gold"]), samples, text, batch, unit=unit)
        case "samples":
            prompts = spec["last"] - spec["first"] if "last" in spec else len(spec["show_prompts"])
            policy, each = size(parents["policy"]), spec["samples"]
            return drawn(policy, prompts * each, prompt, completion, batch, of_prompt=each)
        case "pool":
            return _over_pool(stage, _golds(stage), batch, unit)
        case "proxy":
            pairs, of = spec["pairs"] * spec["epochs"], parents["pairs"].spec
            tokens = of["prompt_tokens"] + of["completion_tokens"]
            lora = bool(spec.get("trl", {}).get("lora"))
            return learnt(size(stage), 2 * pairs, tokens, 2 * spec["batch"], share=0.0 if lora else 1.0)
        case "best_of_n" | "other_best_of_n":
            return _over_pool(parents["pool"], [size(parents["proxy"])], batch, unit)
        case "far_best_of_n":
            return _over_pool(stage, [size(parents["proxy"]), *_golds(stage)], batch, unit)
        case "decoys" | "ppo":
            return _of_ppo(stage, batch)
        case "rloo":
            return _of_rloo(stage, batch)
    return Price()


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


def _of_ppo(stage: Stage, batch: int) -> Price:
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


def _of_rloo(stage: Stage, batch: int) -> Price:
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


def prices(plan: Plan, batch: int) -> dict[str, tuple[int, Price]]:
    """By kind of stage: how many, and the sum of their prices (of memory, the largest)."""
    found: dict[str, tuple[int, Price]] = {}
    for stage in plan.stages:
        count, total = found.get(stage.name, (0, Price()))
        found[stage.name] = count + 1, total + price(stage, batch)
    return found


def heights(plan: Plan, batch: int = 256) -> dict[str, float]:
    """For each key, seconds that the longest chain of stages which begins there takes, predicted for one core each."""
    found: dict[str, float] = defaultdict(float)  # first of the stages that depend on it alone
    for stage in reversed(plan.stages):
        work = price(stage, batch).seconds(tflops=CORE_TFLOPS, drawing_tflops=CORE_DRAWING_TFLOPS)
        found[stage.key] += STAGE_SECONDS + work
        for parent in stage.parents.values():
            found[parent.key] = max(found[parent.key], found[stage.key])
    return found


HEADER = ("", "stages", "samples", "tokens", "TFLOP", "hours", "memory")


def price_rows(
    plan: Plan, seen: Costs | None = None, *, batch: int, tflops: float, drawing_tflops: float
) -> list[tuple[str, ...]]:
    """Cells under `HEADER`, a row a kind of stage, the last for all; beside them what was `seen` (`record.costs`).

    Hours are those of one process that does `drawing_tflops` operations (of 10^12) a second while it draws and `tflops`
    while it reads and learns. Kinds of stages without models are left out.
    """

    def row(name: str, count: int, price: Price, took: Mapping[str, Count]) -> tuple[str, ...]:
        hours = price.seconds(tflops=tflops, drawing_tflops=drawing_tflops) / 3600
        counts = (name, f"{count:,}", f"{price.samples:,.0f}", f"{price.tokens:,.0f}")
        cells = (
            *counts,
            f"{(price.drawing + price.rest) / 1e12:,.1f}",
            f"{hours:,.2f}",
            f"{price.memory / 1e9:.1f} GB",
        )
        if seen is None:
            return cells
        return (*cells, f"{took['seconds'] / 3600:.2f} h, {took['memory'] / 1e9:.1f} GB" if took else "-")

    found = {name: (count, price) for name, (count, price) in prices(plan, batch).items() if price.tokens}
    rows = [row(name, *of, (seen or {}).get(name, {})) for name, of in found.items()]
    total, stages = Price(), 0
    for count, price in found.values():
        total, stages = total + price, stages + count
    every = list((seen or {}).values())
    seconds, memory = (
        sum(cost["seconds"] for cost in every),
        max((cost["memory"] for cost in every), default=0),
    )
    return [*rows, row("all", stages, total, {"seconds": seconds, "memory": memory} if every else {})]


def price_table(plan: Plan, store: Store, *, batch: int, tflops: float, drawing_tflops: float) -> list[str]:
    """What `overopt plan --price` prints; beside it what the stages took that `store` has."""
    done = [store.folder(stage) for stage in plan.stages if (store.folder(stage) / RECORD).is_file()]
    seen = costs(map(read_record, done))
    made = price_rows(plan, seen, batch=batch, tflops=tflops, drawing_tflops=drawing_tflops)
    rows = [(*HEADER, "measured"), *made]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        *("  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows),
        f"at most, at {tflops:g} TFLOP/s, {drawing_tflops:g} while drawing, {batch} completions at once, one process; "
        "memory: of the largest stage",
    ]
