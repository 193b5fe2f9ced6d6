"""The kinds of stages, a row each: a new kind is a row here, and its function in `overopt.stages`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from overopt.engine.plan import StageFunction
from overopt.engine.stage import Stage
from overopt.plan import costs
from overopt.plan import stage_specs as specs
from overopt.plan.costs import Price
from overopt.study.parts import Spec
from overopt.study.pretrained_parts import Loaded

STAGES = "overopt.stages"  # holds the modules of the functions
# what `tables` reads nothing of but what it took: parts of gold, and what settings of PPO are compared by
ONLY_COUNTED = (
    "word_vectors",
    "rating_model",
    "real_text",
    "sweep_base",
    "ppo_trial",
)


@dataclass(frozen=True)
class Kind:
    """function: module and name in `overopt.stages`, imported when it runs; version: bumped by hand when its meaning
    changes; spec: what it is told; cost: of a stage that is told this, for that many completions at once, where
    it runs a model; optional: kinds of the parents that it does without where nothing else needs them.
    """

    function: str
    version: int
    spec: type[Spec]
    cost: Callable[[Stage, Any, int], Price] | None = None
    optional: frozenset[str] = frozenset()

    @property
    def run(self) -> StageFunction:
        """The function, not imported yet."""
        module, name = self.function.split(".")
        return StageFunction(f"{STAGES}.{module}", name, self.spec)


KINDS = {
    # the world `reviews`
    "corpus": Kind("text.corpus", 2, specs.CorpusSpec),
    "tokenizer": Kind("text.tokenizer", 2, specs.TokenizerSpec),
    "language_model": Kind("text.language_model", 2, specs.LanguageModelSpec, costs.language_model),
    "sharpened": Kind("policies.sharpened", 1, specs.SharpenedSpec, costs.sharpened),
    "real_text": Kind("gated_gold.real_text", 3, specs.RealTextSpec, costs.real_text),
    "gated_gold": Kind("gated_gold.gated_gold", 3, specs.GatedGoldSpec),
    "word_vectors": Kind("rating.word_vectors", 1, specs.WordVectorsSpec),
    "rating_model": Kind("rating.rating_model", 2, specs.RatingModelSpec, costs.rating_model),
    # the world `pretrained`
    "loaded_model": Kind("pretrained_models.loaded", 1, Loaded),
    "cut_model": Kind("pretrained_models.cut", 1, specs.CutSpec),
    "scratch_model": Kind("pretrained_models.scratch", 1, specs.ScratchSpec),
    "tuned_model": Kind("pretrained_models.tuned", 1, specs.TunedSpec, costs.tuned_model),
    "policy_tokenizer": Kind("pretrained_models.tokenizer", 1, specs.Nothing),
    "prompts": Kind("pretrained_models.prompts", 1, specs.PromptsSpec),
    "rated_gold": Kind("pretrained_gold.rated", 1, specs.RatedGoldSpec, costs.rated_gold),
    "named_gold": Kind("pretrained_gold.named", 1, specs.NamedGoldSpec),
    # proxies
    "pairs": Kind("pairs.pairs", 3, specs.PairsSpec, costs.pairs),
    "proxy": Kind("proxies.proxy", 3, specs.ProxySpec, costs.proxy),
    "recipe": Kind("proxies.recipe", 1, specs.Nothing),
    "ensemble": Kind("ensembles.ensemble", 1, specs.EnsembleSpec, costs.ensemble),
    "averaged_proxy": Kind("ensembles.averaged_proxy", 1, specs.AveragedProxySpec, costs.averaged_proxy),
    "proxy_scale": Kind("proxies.proxy_scale", 2, specs.Reading, costs.pool_scores),
    # curves
    "samples": Kind("samples.samples", 1, specs.SamplesSpec, costs.samples),
    "pool": Kind("pool.pool", 3, specs.PoolSpec, costs.pool),
    "gold_frontier": Kind("best_of_n.gold_frontier", 1, specs.OverPool),
    "best_of_n": Kind("best_of_n.best_of_n", 2, specs.BestOfNSpec, costs.best_of_n),
    "other_best_of_n": Kind("best_of_n.other_best_of_n", 1, specs.OtherBestOfNSpec, costs.best_of_n),
    "far_best_of_n": Kind("best_of_n.far_best_of_n", 2, specs.FarBestOfNSpec, costs.far_best_of_n),
    "pool_scores": Kind("selection.pool_scores", 1, specs.Reading, costs.pool_scores),
    "selection": Kind("selection.selection", 1, specs.SelectionSpec),
    "prediction": Kind("predictions.prediction", 1, specs.PredictionSpec, costs.prediction),
    "sweep_base": Kind("ppo_sweep.base", 1, specs.SweepBaseSpec, costs.sweep_base),
    "ppo_trial": Kind("ppo_sweep.trial", 1, specs.PPOTrialSpec, costs.ppo_trial),
    "ppo_sweep": Kind("ppo_sweep.compared", 1, specs.Nothing),
    "ppo": Kind("ppo.ppo", 3, specs.PPOSpec, costs.ppo),
    "rloo": Kind("rloo.rloo", 1, specs.RLOOSpec, costs.rloo),
    "rejection": Kind("rejection.rejection", 1, specs.RejectionSpec, costs.rejection),
    "direct": Kind("direct.direct", 1, specs.DirectSpec, costs.direct),
    "halves": Kind("halves.halves", 1, specs.HalvesSpec, costs.halves),
    # of those it reads nothing but what they took
    "tables": Kind("tables.gather", 7, specs.TablesSpec, optional=frozenset(ONLY_COUNTED)),
    # no part of a study's plan: whoever reads tables asks for these, by the rules of the day
    "verdicts": Kind("verdicts.judge", 3, specs.VerdictsSpec),
    "unruled": Kind("unruled.unruled", 1, specs.HalvesSpec),
    "rule_power": Kind("rule_power.try_rules", 1, specs.RulePowerSpec),
}


@dataclass
class Graph:
    """The stages added so far, parents before children."""

    stages: list[Stage] = field(default_factory=list)
    _by_key: dict[str, Stage] = field(default_factory=dict)

    def add(self, kind: str, title: str, spec: Spec, /, **parents: Stage) -> Stage:
        """Add a stage, or find the one that has the same key."""
        of = KINDS[kind]
        assert type(spec) is of.spec, (
            f"stage {title!r}: found {type(spec).__name__}, expected {of.spec.__name__}"
        )
        optional = frozenset(role for role, parent in parents.items() if parent.name in of.optional)
        made = Stage(kind, title, of.version, spec.model_dump(mode="json"), parents, of.run, optional)
        if made.key not in self._by_key:
            self._by_key[made.key] = made
            self.stages.append(made)
        return self._by_key[made.key]
