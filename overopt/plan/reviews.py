"""The part of a plan that studies of the world `reviews` start with: data, language models, decoys and gold."""

from itertools import product

from overopt.engine.stage import Stage
from overopt.plan.registry import Graph
from overopt.plan.world import World
from overopt.study.study import ReviewsStudy

SECOND_SEED = 1000  # added to a study's seed for its second gold


def add_reviews(graph: Graph, study: ReviewsStudy) -> World:
    """Corpus, tokenizer, language models and gold, with a second gold where the study has one."""
    text, seed = study.text, study.seed
    corpus = graph.add("corpus", "corpus", {"world": study.world, "seed": seed})
    encoding = {
        "vocabulary": text.vocabulary,
        "sentence_tokens": text.sentence_tokens,
        "seed": seed,
        "tokens": max(model.tokens for model in study.models.values()),
    }
    tokenizer = graph.add("tokenizer", "tokenizer", encoding, corpus=corpus)
    prompting = {
        "corpus_seed": seed,
        "prompt_words": text.prompt_words,
        "prompt_tokens": text.prompt_tokens,
        "completion_tokens": text.completion_tokens,
    }
    models = {}
    for name, model in study.models.items():
        spec = model.model_dump(mode="json") | {
            "embedding_gain": study.embedding_gain,
            "positions": text.positions,
            "seed": seed,
        }
        title = f"language model {name}"
        models[name] = graph.add("language_model", title, spec, tokenizer=tokenizer)
    counting = {
        "vocabulary": study.gold.rating.vocabulary,
        "sentences": study.gold.rating.sentences,
        "width": study.gold.rating.shape.width,
    }
    vectors = graph.add("word_vectors", "word vectors", counting, corpus=corpus)
    world = World(corpus, tokenizer, models, {}, prompting)
    world.golds["gold"] = _add_gold(
        graph, study, world, vectors, seed, "_half_0" if study.gold.second else ""
    )
    if study.gold.second:
        world.golds["second_gold"] = _add_gold(
            graph, study, world, vectors, seed + SECOND_SEED, "_half_1", "second "
        )
    return world


def _add_gold(
    graph: Graph, study: ReviewsStudy, world: World, vectors: Stage, seed: int, raters: str, which: str = ""
) -> Stage:
    """Rating models, decoys and the gold made of them; `raters` ends the names of the columns of ratings."""
    rating, fluency, text = study.gold.rating, study.gold.fluency, study.text
    training = {"steps", "batch", "learning_rate"}
    rating_training = rating.model_dump(include=training)
    fluency_training = fluency.model_dump(include=training) | {"embedding_gain": study.embedding_gain}
    ratings = {}
    for k in range(rating.members):
        spec = {
            "seed": seed + k,
            "raters": raters,
            "sentence_tokens": text.sentence_tokens,
            "shape": rating.shape.model_dump(),
            "training": rating_training | {"embedding_gain": rating.embedding_gain},
        }
        parents = {"corpus": world.corpus, "word_vectors": vectors}
        title = f"rating model {k} of {which}gold"
        ratings[f"rating_model_{k}"] = graph.add("rating_model", title, spec, **parents)
    base = world.prompting | {
        "seed": seed,
        "raters": raters,
        "sentence_tokens": text.sentence_tokens,
        "spoilt_texts": fluency.texts,
    }
    ppo = study.ppo.run.model_dump(mode="json", exclude={"look_every"}) | {
        "learning_rate": study.decoys.learning_rate,
        "max_steps": study.decoys.max_steps,
        "max_kl": study.decoys.max_kl,
        "spacing": 1.0,
        "evaluation_samples": 1,
    }
    # judges are made of language models
    brief = {"steps": study.decoys.reward_steps, "embedding_gain": study.embedding_gain}
    decoys = {}
    for k, judge in product(range(study.decoys.seeds), study.decoys.judges):
        about = f"{judge.model}, {'ratings and fluency' if judge.fluency else 'ratings alone'}"
        about += f", seed {k}" if k else ""
        spec = base | {
            "seed": seed + k,
            "prompts": study.decoys.prompts,
            "rating_training": rating_training | brief,
            "fluency": judge.fluency,
            "fluency_training": fluency_training | brief,
            "min_kl": study.decoys.min_kl,
            "ppo": ppo,
        }
        decoys[f"decoys against {about}"] = graph.add(
            "decoys",
            f"decoys of {which}gold against {about}",
            spec,
            **world.text,
            policy=world.models[study.policy],
            judge=world.models[judge.model],
            value_model=world.models[study.ppo.value_model],
        )
    members = {}
    for k, model in enumerate(fluency.models):
        title = f"fluency model {k} of {which}gold"
        spec = base | {"seed": seed + k, "training": fluency_training}
        parents = world.text | decoys | {"language_model": world.models[model]}
        members[f"fluency_model_{k}"] = graph.add("fluency_model", title, spec, **parents)
    parents = world.text | ratings | members | decoys
    return graph.add("gold", f"{which}gold reward model", base, **parents)
