"""What one stage costs at most, by its kind: samples, tokens, floating-point operations and memory.

Counted are matrix products: 2 operations a parameter and token forward, 4 backward (Kaplan et al. 2020, section 2.1).
Texts are taken to be as long as they may be, PPO runs to last as many iterations as they may. Where `batch` is asked for,
so many completions are drawn or scored at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from overopt.engine.stage import Stage
from overopt.plan import looks
from overopt.plan import stage_specs as specs
from overopt.plan.looks import Count
from overopt.study.parts import Spec, Training
from overopt.study.ppo_parts import PPO
from overopt.study.pretrained_parts import Loaded

FLOAT, HALF = 4, 2  # bytes: what is drawn and kept is float32; what only reads may be bfloat16
TRAINED = 4 * FLOAT  # bytes a parameter: weight, gradient, two moments of Adam
ACTIVATION = (
    68  # bytes a token, layer and unit of width, kept for the backward pass (Korthikanti et al. 2022, eq. 2)
)
LIBRARIES = 0.6e9  # bytes of a process that holds nothing yet
TEMPERATURES = 10  # that a rule tries, about
RATED_TOKENS = 32  # tokens of a rated text, on average at most

Told = TypeVar("Told", bound=Spec)


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


def told(stage: Stage, kind: type[Told]) -> Told:
    """What a stage is told."""
    return kind.model_validate(stage.spec)


def size(stage: Stage) -> Size:
    """The model that a stage makes."""
    parents = stage.parents
    match stage.name:
        case "language_model":
            shape = told(stage, specs.LanguageModelSpec).shape
            vocabulary = told(parents["tokenizer"], specs.TokenizerSpec).vocabulary
            return Size(shape.parameters, shape.layers, shape.width, vocabulary)
        case "rating_model":
            shape = told(stage, specs.RatingModelSpec).shape
            vocabulary = told(parents["word_vectors"], specs.WordVectorsSpec).vocabulary
            return Size(shape.parameters, shape.layers, shape.width, vocabulary)
        case "loaded_model":
            loaded = told(stage, Loaded)
            return Size(loaded.parameters, loaded.layers, loaded.width, loaded.vocabulary)
        case "named_gold":
            named = told(stage, specs.NamedGoldSpec)
            return Size(named.parameters, named.layers, named.width, 0)
        case "cut_model":
            cut = told(stage, specs.CutSpec)
            return replace(size(parents["source"]), body=cut.parameters, layers=cut.layers)
        case "scratch_model":
            fresh, source = told(stage, specs.ScratchSpec), size(parents["source"])
            return replace(source, body=fresh.parameters, layers=fresh.layers, width=fresh.width)
        case "tuned_model":
            return replace(size(parents["source"]), body=told(stage, specs.TunedSpec).parameters)
        case "ensemble" | "averaged_proxy":  # of one member
            return size(parents["member_0"])
    return size(parents["language_model" if "language_model" in parents else "policy"])


def judges(stage: Stage) -> list[Size]:
    """The models that a gold consists of."""
    parts = [
        part
        for role, part in stage.parents.items()
        if role.startswith(("rating_model", "language_model", "real_text"))
    ]
    return [size(part) for part in parts] or [size(stage)]


def scorers(stage: Stage) -> list[Size]:
    """The models that a proxy consists of."""
    if stage.name != "ensemble":
        return [size(stage)]
    return [size(stage.parents[f"member_{k}"]) for k in range(told(stage, specs.EnsembleSpec).members)]


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


def language_model(stage: Stage, spec: specs.LanguageModelSpec, batch: int) -> Price:
    """The budget of tokens, once."""
    tokens = spec.positions
    return learnt(size(stage), spec.tokens / tokens, tokens, spec.batch, logits=tokens)


def rating_model(stage: Stage, spec: specs.RatingModelSpec, batch: int) -> Price:
    """Rated texts."""
    return _of_ratings(size(stage), spec.training)


def real_text(stage: Stage, spec: specs.RealTextSpec, batch: int) -> Price:
    """Real texts and as many corrupted ones."""
    return _of_ratings(size(stage), spec.training, texts=2)


def sharpened(stage: Stage, spec: specs.SharpenedSpec, batch: int) -> Price:
    """Samples at some ten temperatures, read by the judge."""
    policy, judge, samples = size(stage), size(stage.parents["judge"]), TEMPERATURES * spec.prompts
    text = spec.prompt_tokens + spec.completion_tokens
    made = drawn(policy, samples, spec.prompt_tokens, spec.completion_tokens, batch)
    return made + read([judge], samples, text, batch, logits=spec.completion_tokens)


def rated_gold(stage: Stage, spec: specs.RatedGoldSpec, batch: int) -> Price:
    """Rated texts; the last layers learn."""
    whole = size(stage)
    return _of_ratings(whole, spec, share=spec.train_layers / whole.layers)


def tuned_model(stage: Stage, spec: specs.TunedSpec, batch: int) -> Price:
    """Whole texts, every token learnt."""
    texts, share = spec.steps * spec.batch, 0.0 if spec.lora else 1.0
    return learnt(size(stage), texts, spec.tokens, spec.batch, logits=spec.tokens, share=share)


def pairs(stage: Stage, spec: specs.PairsSpec, batch: int) -> Price:
    """Samples drawn and judged by gold."""
    policy, each = size(stage.parents["policy"]), 2 * spec.per_prompt
    samples, text = spec.prompts * each, spec.prompt_tokens + spec.completion_tokens
    made = drawn(policy, samples, spec.prompt_tokens, spec.completion_tokens, batch, of_prompt=each)
    return made + read(judges(stage.parents["gold"]), samples, text, batch, unit=_unit(spec))


def samples(stage: Stage, spec: specs.SamplesSpec, batch: int) -> Price:
    """Samples drawn."""
    policy, made, each = size(stage.parents["policy"]), spec.asked * spec.samples, spec.samples
    return drawn(policy, made, spec.prompt_tokens, spec.completion_tokens, batch, of_prompt=each)


def pool(stage: Stage, spec: specs.PoolSpec, batch: int) -> Price:
    """Every sample judged by every gold."""
    return _over_pool(stage, _golds(stage), batch, _unit(spec))


def best_of_n(stage: Stage, spec: specs.OtherBestOfNSpec, batch: int) -> Price:
    """Every sample of the pool scored by the proxy."""
    return _over_pool(stage.parents["pool"], scorers(stage.parents["proxy"]), batch, _unit(spec))


def pool_scores(stage: Stage, spec: specs.Reading, batch: int) -> Price:
    """As best-of-n: every sample of the pool scored by the proxy."""
    return _over_pool(stage.parents["pool"], scorers(stage.parents["proxy"]), batch, _unit(spec))


def prediction(stage: Stage, spec: specs.PredictionSpec, batch: int) -> Price:
    """The samples that it reads of each prompt, scored by the proxy; at most as many as the pool has."""
    return _over_pool(stage.parents["pool"], scorers(stage.parents["proxy"]), batch, _unit(spec))


def far_best_of_n(stage: Stage, spec: specs.FarBestOfNSpec, batch: int) -> Price:
    """Every sample scored by the proxy and judged."""
    return _over_pool(stage, [*scorers(stage.parents["proxy"]), *_golds(stage)], batch, _unit(spec))


def proxy(stage: Stage, spec: specs.ProxySpec, batch: int) -> Price:
    """Both texts of every pair, so often as there are epochs."""
    of = told(stage.parents["pairs"], specs.PairsSpec)
    texts, tokens = 2 * spec.pairs * spec.epochs, of.prompt_tokens + of.completion_tokens
    share = 0.0 if spec.trl and spec.trl.lora else 1.0
    return learnt(size(stage), texts, tokens, 2 * spec.batch, share=share)


def ensemble(stage: Stage, spec: specs.EnsembleSpec, batch: int) -> Price:
    """The held-out pairs scored by every member."""
    return _held_out(stage, spec, scorers(stage), batch, _unit(spec))


def averaged_proxy(stage: Stage, spec: specs.AveragedProxySpec, batch: int) -> Price:
    """The held-out pairs scored by the one model, where all members are in memory."""
    found = _held_out(stage, spec, [size(stage)], batch, FLOAT)
    return replace(found, memory=found.memory + FLOAT * spec.members * size(stage).weights)


def ppo(stage: Stage, spec: specs.PPOSpec, batch: int) -> Price:
    """PPO against the proxy."""
    shared = spec.lora is not None
    return _of_ppo(stage, spec, spec.ppo, batch, evaluated=spec.evaluation_prompts, shared=shared)


def sweep_base(stage: Stage, spec: specs.SweepBaseSpec, batch: int) -> Price:
    """Samples drawn, and scored by the proxy."""
    policy, proxy = size(stage.parents["policy"]), size(stage.parents["proxy"])
    samples, text = spec.evaluation_prompts * spec.samples, spec.prompt_tokens + spec.completion_tokens
    made = drawn(policy, samples, spec.prompt_tokens, spec.completion_tokens, batch, of_prompt=spec.samples)
    return made + read([proxy], samples, text, batch, unit=_unit(spec))


def ppo_trial(stage: Stage, spec: specs.PPOTrialSpec, batch: int) -> Price:
    """PPO against the proxy of the sweep."""
    return _of_ppo(stage, spec, spec.ppo, batch, evaluated=spec.evaluation_prompts)


def rloo(stage: Stage, spec: specs.RLOOSpec, batch: int) -> Price:
    """Samples drawn, scored and learnt from, and looks at the policy."""
    prompt, completion, run = spec.prompt_tokens, spec.completion_tokens, spec.rloo
    policy, text = size(stage.parents["policy"]), prompt + completion
    proxy = scorers(stage.parents["proxy"])
    seen = [*proxy, *_golds(stage)]
    samples = run.max_steps * run.batch
    watched = looks.of_rloo(spec) * spec.evaluation_prompts * run.evaluation_samples
    total = drawn(policy, samples + watched, prompt, completion, batch)
    total += read([policy], 2 * watched, text, batch, logits=completion)
    total += read(proxy, samples, text, run.batch) + read(seen, watched, text, run.batch)
    total += learnt(policy, samples, text, run.batch, logits=completion, share=0.0 if spec.lora else 1.0)
    always = sum(_unit(spec) * model.weights for model in (policy, *seen))
    return replace(total, memory=total.memory + always)


def rejection(stage: Stage, spec: specs.RejectionSpec, batch: int) -> Price:
    """n completions of each prompt drawn and scored, the best learnt from, and looks at the policy."""
    prompt, completion, run = spec.prompt_tokens, spec.completion_tokens, spec.run
    policy, text = size(stage.parents["policy"]), prompt + completion
    proxy = scorers(stage.parents["proxy"])
    seen = [*proxy, *_golds(stage)]
    learnt_from = run.max_steps * run.batch
    watched = looks.as_kl_grows(run) * spec.evaluation_prompts * run.evaluation_samples
    total = drawn(policy, spec.n * learnt_from, prompt, completion, batch, of_prompt=spec.n)
    total += drawn(policy, watched, prompt, completion, batch)
    # KL asks policy and reference of one completion a prompt, and of all that is looked at
    total += read([policy], 2 * (learnt_from + watched), text, batch, logits=completion)
    total += read(proxy, spec.n * learnt_from, text, run.batch) + read(seen, watched, text, run.batch)
    share = 0.0 if spec.lora else 1.0
    total += learnt(policy, learnt_from, text, run.batch, logits=completion, share=share)
    always = sum(_unit(spec) * model.weights for model in (policy, *seen))
    return replace(total, memory=total.memory + always)


def direct(stage: Stage, spec: specs.DirectSpec, batch: int) -> Price:
    """Both texts of every pair learnt from, and looks at the policy: by gold, and as the reward model that it is."""
    prompt, completion, run = spec.prompt_tokens, spec.completion_tokens, spec.run
    policy, text, golds = size(stage.parents["policy"]), prompt + completion, _golds(stage)
    learning = 2 * spec.pairs * run.epochs
    of_look = spec.evaluation_prompts * run.evaluation_samples
    count = told(stage.parents["pairs"], specs.PairsSpec)
    held_out = 2 * round(count.prompts * count.per_prompt * spec.validation)
    seen = looks.of_direct(spec)
    # KL and reward each ask policy and reference about what is drawn; pairs and base samples tell the reward its scale
    asked = 2 * spec.pairs + seen * 4 * of_look + (1 + seen) * (held_out + of_look)
    total = drawn(policy, seen * of_look, prompt, completion, batch)
    total += read([policy], asked, text, batch, logits=completion)
    total += read(golds, seen * of_look, text, 2 * run.batch)
    share = 0.0 if spec.lora else 1.0
    total += learnt(policy, learning, text, 2 * run.batch, logits=completion, share=share)
    always = sum(_unit(spec) * model.weights for model in (policy, *golds))
    return replace(total, memory=total.memory + always)


def halves(stage: Stage, spec: specs.HalvesSpec, batch: int) -> Price:
    """Every recorded text read by gold."""
    texts = sum(map(looks.recorded_texts, stage.parents.values()))
    part = told(stage.parents["pool"].parents["part_0"], specs.SamplesSpec)
    return read(judges(stage.parents["gold"]), texts, part.prompt_tokens + spec.completion_tokens, batch)


def _held_out(stage: Stage, spec: specs.Joining, models: list[Size], batch: int, unit: int) -> Price:
    """Both texts of the pairs that no proxy was trained on, read by each of `models`."""
    of = told(stage.parents["pairs"], specs.PairsSpec)
    texts = 2 * round(of.prompts * of.per_prompt * spec.validation)
    return read(models, texts, of.prompt_tokens + of.completion_tokens, batch, unit=unit)


def _of_ratings(model: Size, training: Training, *, texts: int = 1, share: float = 1.0) -> Price:
    return learnt(model, texts * training.steps * training.batch, RATED_TOKENS, training.batch, share=share)


def _of_ppo(
    stage: Stage,
    spec: specs.Prompting,
    run: PPO,
    batch: int,
    *,
    evaluated: int,
    shared: bool = False,
) -> Price:
    """evaluated: prompts of a look; shared: one set of weights is policy and reference."""
    prompt, completion = spec.prompt_tokens, spec.completion_tokens
    text = prompt + completion
    policy, proxy = size(stage.parents["policy"]), scorers(stage.parents["proxy"])
    value = size(stage.parents["value_model"]) if run.value_from == "language_model" else proxy[0]
    seen = [*proxy, *_golds(stage)]
    samples, warmup = run.max_steps * run.batch, run.value_warmup * run.batch
    watched = looks.as_kl_grows(run) * evaluated * run.evaluation_samples
    share = 0.0 if shared else 1.0
    parts: list[Price] = [
        drawn(policy, samples + warmup + watched, prompt, completion, batch),
        read([policy], samples + warmup + 2 * watched, text, batch, logits=completion),
        read([value, *proxy], samples + warmup, text, run.minibatch),
        read(seen, watched, text, run.minibatch),
        learnt(policy, run.epochs * samples, text, run.minibatch, logits=completion, share=share),
        learnt(value, run.epochs * (samples + warmup), text, run.minibatch),
    ]
    if run.leave_one_out:  # there is no value model
        parts[2], parts[-1] = read(proxy, samples, text, run.minibatch), Price()
    if run.compared_with:
        base = run.prompts * run.compared_with
        parts += [drawn(policy, base, prompt, completion, batch), read(proxy, base, text, run.minibatch)]
    total = sum(parts, Price())
    # the value model with its optimiser, the reference and all judges are there throughout
    others = seen if shared else [policy, *seen]
    always = TRAINED * value.weights + sum(_unit(spec) * model.weights for model in others)
    return replace(total, memory=total.memory + always)


def _unit(spec: specs.Reading) -> int:
    """Bytes of a number in what only reads in a stage."""
    return HALF if spec.frozen == "bfloat16" else FLOAT


def _golds(stage: Stage) -> list[Size]:
    """The models of every gold that a stage asks."""
    golds = [stage.parents[role] for role in ("gold", "second_gold") if role in stage.parents]
    return [model for gold in golds for model in judges(gold)]


def _over_pool(pool: Stage, models: list[Size], batch: int, unit: int) -> Price:
    """Every sample of the parts of a stage read by each of `models`."""
    roles = [role for role in pool.parents if role.startswith("part_")]
    parts = [told(pool.parents[role], specs.SamplesSpec) for role in roles]
    samples = sum(part.asked * part.samples for part in parts)
    tokens = parts[0].prompt_tokens + parts[0].completion_tokens
    found = read(models, samples, tokens, batch, unit=unit)
    return replace(found, memory=found.memory + kept(samples, tokens))
