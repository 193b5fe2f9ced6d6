"""The kinds of stages: a row each. A new kind is a row here and its function in `overopt.stages`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from overopt.engine.plan import StageFunction
from overopt.engine.stage import Stage
from overopt.plan import costs
from overopt.plan.costs import Price

STAGES = "overopt.stages"  # holds the modules of the functions


@dataclass(frozen=True)
class Kind:
    """function: module and name in `overopt.stages`, imported when it runs; version: bumped by hand when its meaning
    changes; cost: what it costs where it runs a model, for that many completions at once."""

    function: str
    version: int
    cost: Callable[[Stage, int], Price] | None = None

    @property
    def run(self) -> StageFunction:
        """The function, not imported yet."""
        module, name = self.function.split(".")
        return StageFunction(f"{STAGES}.{module}", name)


KINDS = {
    # the world `reviews`
    "corpus": Kind("text.corpus", 2),
    "tokenizer": Kind("text.tokenizer", 2),
    "language_model": Kind("text.language_model", 2, costs.language_model),
    "word_vectors": Kind("gold.word_vectors", 1),
    "rating_model": Kind("gold.rating_model", 2, costs.rating_model),
    "decoys": Kind("gold.decoys", 4, costs.ppo),
    "fluency_model": Kind("gold.fluency_model", 1, costs.fluency_model),
    "gold": Kind("gold.gold", 6),
    # the world `pretrained`
    "loaded_model": Kind("pretrained_models.loaded", 1),
    "cut_model": Kind("pretrained_models.cut", 1),
    "scratch_model": Kind("pretrained_models.scratch", 1),
    "tuned_model": Kind("pretrained_models.tuned", 1, costs.tuned_model),
    "policy_tokenizer": Kind("pretrained_models.tokenizer", 1),
    "prompts": Kind("pretrained_models.prompts", 1),
    "rated_gold": Kind("pretrained_gold.rated", 1, costs.rated_gold),
    "named_gold": Kind("pretrained_gold.named", 1),
    # proxies
    "pairs": Kind("pairs.pairs", 3, costs.pairs),
    "proxy": Kind("proxies.proxy", 3, costs.proxy),
    "recipe": Kind("proxies.recipe", 1),
    "proxy_scale": Kind("proxies.proxy_scale", 1),
    # curves
    "samples": Kind("samples.samples", 1, costs.samples),
    "pool": Kind("pool.pool", 3, costs.pool),
    "gold_frontier": Kind("best_of_n.gold_frontier", 1),
    "best_of_n": Kind("best_of_n.best_of_n", 2, costs.best_of_n),
    "other_best_of_n": Kind("best_of_n.other_best_of_n", 1, costs.best_of_n),
    "far_best_of_n": Kind("best_of_n.far_best_of_n", 2, costs.far_best_of_n),
    "ppo": Kind("ppo.ppo", 3, costs.ppo),
    "rloo": Kind("rloo.rloo", 1, costs.rloo),
    "tables": Kind("tables.gather", 7),
}


@dataclass
class Graph:
    """The stages added so far, parents before children."""

    stages: list[Stage] = field(default_factory=list)
    _by_key: dict[str, Stage] = field(default_factory=dict)

    def add(self, kind: str, title: str, spec: dict[str, Any], /, **parents: Stage) -> Stage:
        """Add a stage, or find the one that has the same key."""
        made = Stage(kind, title, KINDS[kind].version, spec, parents, KINDS[kind].run)
        if made.key not in self._by_key:
            self._by_key[made.key] = made
            self.stages.append(made)
        return self._by_key[made.key]
