"""The part of a plan that studies of the world `reviews` start with: data, language models, policies and gold."""

from overopt.engine.stage import Stage
from overopt.plan import stage_specs as specs
from overopt.plan.gated_gold import add_gated_gold
from overopt.plan.registry import Graph
from overopt.plan.world import World
from overopt.study.parts import Sharpening
from overopt.study.study import ReviewsStudy


def add_reviews(graph: Graph, study: ReviewsStudy) -> World:
    """Corpus, tokenizer, language models, policies and gold."""
    text, seed = study.text, study.seed
    corpus = graph.add("corpus", "corpus", specs.CorpusSpec(world=study.world, seed=seed))
    encoding = specs.TokenizerSpec(
        vocabulary=text.vocabulary,
        sentence_tokens=text.sentence_tokens,
        seed=seed,
        tokens=max(model.tokens for model in study.models.values()),
        halved=any(model.half for model in study.models.values()),
    )
    tokenizer = graph.add("tokenizer", "tokenizer", encoding, corpus=corpus)
    prompting = specs.Prompting(
        corpus_seed=seed,
        prompt_words=text.prompt_words,
        prompt_tokens=text.prompt_tokens,
        completion_tokens=text.completion_tokens,
    )
    models = {}
    for name, model in study.models.items():
        spec = specs.LanguageModelSpec(
            **dict(model), embedding_gain=study.embedding_gain, positions=text.positions, seed=seed
        )
        title = f"language model {name}"
        models[name] = graph.add("language_model", title, spec, tokenizer=tokenizer)
    world = World(corpus, tokenizer, models, dict(models), {}, prompting)
    if study.sharpening:
        names = dict.fromkeys([study.policy, *study.named()["ppo.grids.policies"]])
        names |= dict.fromkeys(study.named()["other_policies.models"])
        sharpened = {name: _add_sharpened(graph, study, study.sharpening, world, name) for name in names}
        world.policies.update(sharpened)
    add_gated_gold(graph, study, world)
    return world


def _add_sharpened(
    graph: Graph, study: ReviewsStudy, sharpening: Sharpening, world: World, name: str
) -> Stage:
    spec = specs.SharpenedSpec(
        **dict(world.prompting),
        seed=study.seed,
        skip=study.spent_on_text - sharpening.prompts,
        prompts=sharpening.prompts,
        known_from=study.models[sharpening.judge].half or "first",
        show_prompts=study.show_prompts,
    )
    parents = {"language_model": world.models[name], "judge": world.models[sharpening.judge]}
    return graph.add("sharpened", f"policy {name}", spec, **world.text, **parents)
