"""The part of a plan that makes the gold of the study `published`: rating models, and fluency models taught by decoys."""

from functools import partial
from itertools import product

from overopt.engine.stage import Stage
from overopt.plan import stage_specs as specs
from overopt.plan.rating import add_golds, rating_models, with_gain
from overopt.plan.registry import Graph
from overopt.plan.world import World
from overopt.study.parts import Gold
from overopt.study.study import ReviewsStudy


def add_decoy_gold(graph: Graph, study: ReviewsStudy, gold: Gold, world: World) -> None:
    """Gold, and a second gold where the study has one, as `world.golds`."""
    add_golds(study, world, partial(_add_gold, graph, study, gold, world))


def _add_gold(
    graph: Graph,
    study: ReviewsStudy,
    gold: Gold,
    world: World,
    seed: int,
    raters: str,
    which: str,
) -> Stage:
    """Rating models, decoys and the gold made of them; `raters` ends the names of the columns of ratings."""
    rating, fluency, text, decoys_of = gold.rating, gold.fluency, study.text, study.decoys
    assert decoys_of is not None  # a study with fluency models has them
    of_ratings = with_gain(rating, rating.embedding_gain)
    of_fluency = with_gain(fluency, study.embedding_gain)
    ratings = rating_models(
        graph, rating, world, seed=seed, sentence_tokens=text.sentence_tokens, raters=raters, which=which
    )
    base = specs.GoldSpec(
        **dict(world.prompting),
        seed=seed,
        raters=raters,
        sentence_tokens=text.sentence_tokens,
        spoilt_texts=fluency.texts,
    )
    changes = {
        "learning_rate": decoys_of.learning_rate,
        "max_steps": decoys_of.max_steps,
        "max_kl": decoys_of.max_kl,
        "look_every": None,
        "spacing": 1.0,
        "evaluation_samples": 1,
    }
    ppo = specs.DecoyPPO(**dict(study.ppo.run) | changes)
    # judges are made of language models
    brief = {"steps": decoys_of.reward_steps, "embedding_gain": study.embedding_gain}
    decoys = {}
    for k, judge in product(range(decoys_of.seeds), decoys_of.judges):
        about = f"{judge.model}, {'ratings and fluency' if judge.fluency else 'ratings alone'}"
        about += f", seed {k}" if k else ""
        against = specs.DecoysSpec(
            **dict(base) | {"seed": seed + k},
            prompts=decoys_of.prompts,
            rating_training=of_ratings.model_copy(update=brief),
            fluency=judge.fluency,
            fluency_training=of_fluency.model_copy(update=brief),
            min_kl=decoys_of.min_kl,
            ppo=ppo,
        )
        decoys[f"decoys against {about}"] = graph.add(
            "decoys",
            f"decoys of {which}gold against {about}",
            against,
            **world.text,
            policy=world.models[study.policy],
            judge=world.models[judge.model],
            value_model=world.models[study.ppo.value_model],
        )
    members = {}
    for k, model in enumerate(fluency.models):
        title = f"fluency model {k} of {which}gold"
        telling = specs.FluencyModelSpec(**dict(base) | {"seed": seed + k}, training=of_fluency)
        parents = world.text | decoys | {"language_model": world.models[model]}
        members[f"fluency_model_{k}"] = graph.add("fluency_model", title, telling, **parents)
    parents = world.text | ratings | members | decoys
    return graph.add("gold", f"{which}gold reward model", base, **parents)
