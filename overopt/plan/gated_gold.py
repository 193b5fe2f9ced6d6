"""The part of a plan that makes gold of ratings and of judges of language that never see a policy's text."""

from overopt.plan import stage_specs as specs
from overopt.plan.registry import Graph
from overopt.plan.world import World
from overopt.study.parts import GatedGold, Training
from overopt.study.study import ReviewsStudy


def add_gated_gold(graph: Graph, study: ReviewsStudy, gold: GatedGold, world: World) -> None:
    """Rating models, the classifier of real text, and the gold made of them, as `world.golds`."""
    seed, tokens = study.seed, study.text.sentence_tokens

    def training(part: Training) -> specs.GainTraining:
        return specs.GainTraining(
            steps=part.steps,
            batch=part.batch,
            learning_rate=part.learning_rate,
            embedding_gain=study.embedding_gain,
        )

    ratings = {}
    for k in range(gold.rating.members):
        told = specs.TunedRatingSpec(
            seed=seed + k, raters="", sentence_tokens=tokens, training=training(gold.rating)
        )
        model = world.models[gold.rating.model]
        title = f"rating model {k} of gold"
        ratings[f"rating_model_{k}"] = graph.add(
            "tuned_rating", title, told, **world.text, language_model=model
        )
    telling = specs.RealTextSpec(
        **dict(world.prompting),
        seed=seed,
        sentence_tokens=tokens,
        texts=gold.real.texts,
        training=training(gold.real),
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
