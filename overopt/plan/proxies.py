"""The part of a plan that makes proxies: labelled pairs, learning rates, reward models."""

from typing import Any

from overopt.engine.stage import Stage
from overopt.plan.registry import Graph
from overopt.plan.stage_specs import Nothing, PairsSpec, ProxySpec, TRLSpec
from overopt.plan.world import World
from overopt.study.parts import Cell, Sweep
from overopt.study.study import PretrainedStudy, Study

SWEEP_SEED = 1000  # of the proxies of a sweep


class ProxyStages:
    """Adds the stages of proxies as they are asked for.

    pairs: the labelled pairs of the study's policy; recipe: the sweep's outcome, where the study has a sweep.
    """

    def __init__(self, graph: Graph, study: Study, world: World) -> None:
        self.graph, self.study, self.world = graph, study, world
        self.pairs = self.add_pairs("labelled pairs", world.policies[study.policy], study.pairs.count)
        rates = study.proxies.learning_rates
        self.recipe = self._add_sweep(rates) if isinstance(rates, Sweep) else None

    def add_pairs(
        self, title: str, policy: Stage, count: int, *, skip: int = 0, seed: int | None = None
    ) -> Stage:
        """About `count` pairs of samples of `policy`, labelled by gold, of the pair prompts after the first `skip`.

        seed: of what is drawn, the study's own if it is not given.
        """
        per_prompt = self.study.pairs.per_prompt
        spec = PairsSpec(
            **dict(self.world.prompting),
            sampler=self.world.sampler,
            seed=self.study.seed if seed is None else seed,
            prompts=-(-count // per_prompt),
            skip=skip,
            per_prompt=per_prompt,
        )
        parents = self.world.text | {"gold": self.world.golds["gold"], "policy": policy}
        return self.graph.add("pairs", title, spec, **parents)

    def add(
        self, cell: Cell, pairs: Stage | None = None, title: str = "", *, head_seed: int | None = None
    ) -> Stage:
        """The proxy of one cell, trained on the study's pairs or on `pairs`, with the head of its seed or of `head_seed`."""
        rates = self.study.proxies.learning_rates
        if isinstance(rates, Sweep):
            assert self.recipe is not None  # made with the sweep
            told: dict[str, Any] = {"recipe": self.recipe}
        else:
            told = {"learning_rate": rates[cell.model]}
        return self._add_proxy(cell, pairs or self.pairs, title, **told, head_seed=head_seed)

    def _add_proxy(
        self,
        cell: Cell,
        pairs: Stage,
        title: str,
        learning_rate: float | None = None,
        recipe: Stage | None = None,
        head_seed: int | None = None,
    ) -> Stage:
        study = self.study
        trl = None
        if isinstance(study, PretrainedStudy) and study.trl:
            trl = TRLSpec(lora=study.proxy_lora)
        spec = ProxySpec(
            **cell._asdict(),
            head_seed=None if head_seed == cell.seed else head_seed,
            validation=study.pairs.validation,
            batch=study.proxies.batch,
            learning_rate=learning_rate,
            embedding_gain=study.proxies.embedding_gain,
            trl=trl,
        )
        parents = {"language_model": self.world.models[cell.model], "pairs": pairs}
        if recipe:
            parents["recipe"] = recipe
        return self.graph.add("proxy", title or f"proxy {label(cell)}", spec, **parents)

    def _add_sweep(self, sweep: Sweep) -> Stage:
        """Proxies of every size at every rate, on pairs of prompts that nothing else uses; the best rate of each."""
        study = self.study
        count = round(sweep.pairs / (1 - study.pairs.validation)) + 1
        used = study.pairs.count // study.pairs.per_prompt
        pairs = self.add_pairs("pairs of the sweep", self.world.policies[study.policy], count, skip=used)
        tried = {}
        for model in study.proxies.models:
            for rate in sweep.rates:
                cell = Cell(model, sweep.pairs, 1, SWEEP_SEED)
                title = f"proxy {model} of the sweep, learning rate {rate:g}"
                tried[f"{model} {rate:g}"] = self._add_proxy(cell, pairs, title, learning_rate=rate)
        return self.graph.add("recipe", "learning rates", Nothing(), **tried)


def label(cell: Cell) -> str:
    """A cell in words: what tells its stages apart."""
    again = f", {cell.epochs} epochs" if cell.epochs > 1 else ""
    turned = f", {cell.label_noise:.0%} of labels turned" if cell.label_noise else ""
    return f"{cell.model}, {cell.pairs} pairs{again}{turned}, seed {cell.seed}"
