"""The part of a plan that makes gold of ratings and of judges of language that never see a policy's text."""

from overopt.engine.stage import Stage
from overopt.plan import stage_specs as specs
from overopt.plan.curves import CurveStages
from overopt.plan.looks import records_texts
from overopt.plan.rating import rating_models, with_gain
from overopt.plan.registry import Graph
from overopt.plan.world import World
from overopt.study.study import ReviewsStudy

SECOND_SEED = 1000  # added to a study's seed for its second gold


def add_gated_gold(graph: Graph, study: ReviewsStudy, world: World) -> None:
    """Gold, and a second gold of the raters between where the study has one, as `world.golds`."""
    second = study.gold.second
    world.golds["gold"] = _add_gold(graph, study, world, study.seed, raters="_half_0" if second else "")
    if second:
        world.golds["second_gold"] = _add_gold(
            graph, study, world, study.seed + SECOND_SEED, raters="_half_1", which="second "
        )


def add_halves(graph: Graph, study: ReviewsStudy, curves: CurveStages) -> None:
    """What either half of gold says of every text that a curve recorded; the last before the tables."""
    spec = specs.HalvesSpec(completion_tokens=study.text.completion_tokens)
    world, recorded = curves.world, {stage.title: stage for stage in graph.stages if records_texts(stage)}
    parents = {"tokenizer": world.tokenizer, "gold": world.golds["gold"], "pool": curves.pool}
    graph.add("halves", "halves of gold", spec, **parents, **recorded)


def _add_gold(
    graph: Graph, study: ReviewsStudy, world: World, seed: int, *, raters: str, which: str = ""
) -> Stage:
    """Rating models, a classifier of real text, and the gold made of them.

    `raters` ends the names of its columns of ratings, `which` begins its titles.
    """
    gold = study.gold
    tokens = study.text.sentence_tokens
    ratings = rating_models(
        graph, gold.rating, world, seed=seed, sentence_tokens=tokens, raters=raters, which=which
    )
    telling = specs.RealTextSpec(
        **dict(world.prompting),
        seed=seed,
        texts=gold.real.texts,
        read=gold.real.read,
        half=study.models[gold.real.model].half,
        kept=gold.real.kept,
        training=with_gain(gold.real, study.embedding_gain),
    )
    of_real = world.text | {"language_model": world.models[gold.real.model]}
    real = graph.add("real_text", f"{which}classifier of real text", telling, **of_real)
    spec = specs.GatedGoldSpec(
        **dict(world.prompting),
        seed=seed,
        raters=raters,
        sentence_tokens=tokens,
        texts=gold.real.texts,
        sentences=gold.sentences,
        doubted=gold.doubted,
    )
    parents = ratings | {"real_text": real, "language_model": world.models[gold.language]}
    return graph.add("gated_gold", f"{which}gold reward model", spec, **world.text, **parents)
