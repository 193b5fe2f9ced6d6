"""The part of a plan that makes gold of ratings and of judges of language that never see a policy's text."""

from overopt.plan import stage_specs as specs
from overopt.plan.rating import rating_models, with_gain
from overopt.plan.registry import Graph
from overopt.plan.world import World
from overopt.study.parts import GatedGold
from overopt.study.study import ReviewsStudy


def add_gated_gold(graph: Graph, study: ReviewsStudy, gold: GatedGold, world: World) -> None:
    """Rating models, the classifier of real text, and the gold made of them, as `world.golds`."""
    seed, tokens = study.seed, study.text.sentence_tokens
    ratings = rating_models(graph, gold.rating, world, seed=seed, sentence_tokens=tokens)
    telling = specs.RealTextSpec(
        **dict(world.prompting),
        seed=seed,
        texts=gold.real.texts,
        kept=gold.real.kept,
        training=with_gain(gold.real, study.embedding_gain),
    )
    real = graph.add(
        "real_text",
        "classifier of real text",
        telling,
        **world.text,
        language_model=world.models[gold.real.model],
    )
    spec = specs.GatedGoldSpec(
        **dict(world.prompting),
        seed=seed,
        raters="",
        sentence_tokens=tokens,
        texts=gold.real.texts,
        sentences=gold.sentences,
        doubted=gold.doubted,
    )
    parents = ratings | {"real_text": real, "language_model": world.models[gold.language]}
    world.golds["gold"] = graph.add("gated_gold", "gold reward model", spec, **world.text, **parents)
