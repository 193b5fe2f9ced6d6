"""The part of a plan that makes models of human ratings."""

from overopt.engine.stage import Stage
from overopt.plan import stage_specs as specs
from overopt.plan.registry import Graph
from overopt.plan.world import World
from overopt.study.parts import RatingModel, Training


def rating_models(
    graph: Graph,
    rating: RatingModel,
    world: World,
    *,
    seed: int,
    sentence_tokens: int,
    raters: str = "",
    which: str = "",
) -> dict[str, Stage]:
    """The rating models of one gold, by their roles as its parents; `raters` ends the names of the columns of ratings."""
    counting = specs.WordVectorsSpec(
        vocabulary=rating.vocabulary, sentences=rating.sentences, width=rating.shape.width
    )
    vectors = graph.add("word_vectors", "word vectors", counting, corpus=world.corpus)
    made = {}
    for k in range(rating.members):
        spec = specs.RatingModelSpec(
            seed=seed + k,
            raters=raters,
            sentence_tokens=sentence_tokens,
            shape=rating.shape,
            training=with_gain(rating, rating.embedding_gain),
            kept=rating.kept,
        )
        parents = {"corpus": world.corpus, "word_vectors": vectors}
        title = f"rating model {k} of {which}gold"
        made[f"rating_model_{k}"] = graph.add("rating_model", title, spec, **parents)
    return made


def with_gain(part: Training, gain: float) -> specs.GainTraining:
    """How a part of gold is trained, its token embeddings at `gain` times the learning rate."""
    return specs.GainTraining(
        steps=part.steps, batch=part.batch, learning_rate=part.learning_rate, embedding_gain=gain
    )
