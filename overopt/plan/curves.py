"""The part of a plan that measures: best-of-n, PPO and rounds of RLHF against the proxies."""

from collections.abc import Iterable
from functools import partial
from itertools import product
from typing import Any

from overopt.engine.stage import Stage
from overopt.plan import stage_specs as specs
from overopt.plan.proxies import ProxyStages, label
from overopt.plan.registry import Graph
from overopt.plan.world import World
from overopt.study.direct_parts import Direct
from overopt.study.parts import BestOfN, Cell, FarBestOfN, Iterated, OtherPolicies
from overopt.study.ppo_parts import PPO, PPORuns
from overopt.study.study import PretrainedStudy, Study
from overopt.util.seeds import derive

SAMPLES_A_STAGE = (
    50_000  # a minute or so of a small policy on one core: what a killed run may lose, and memory holds
)
SMALL = 1_000_000  # parameters


def add_curves(graph: Graph, study: Study, world: World, proxies: ProxyStages) -> "CurveStages":
    """Every curve of `study` against a single proxy."""
    curves = CurveStages(graph, study, world, proxies)
    curves.add_all()
    return curves


class CurveStages:
    """Adds the stages that measure, in the order in which a stopped study should have them."""

    def __init__(self, graph: Graph, study: Study, world: World, proxies: ProxyStages) -> None:
        self.graph, self.study, self.world, self.proxies = graph, study, world, proxies
        self.best_of_n: dict[Cell, Stage] = {}
        self.frozen = world.prompting.frozen
        self.pool = self._add_pool()

    def add_all(self) -> None:
        """Everything that needs the first seed, then the second: what a stopped study has is whole curves of few seeds."""
        study = self.study
        samples, max_n = study.best_of_n.samples, study.best_of_n.max_n
        spec = specs.OverPool(curve=self.curve(None), samples=samples, max_n=max_n)
        self.graph.add("gold_frontier", "best-of-n by gold itself", spec, pool=self.pool)
        cells = [(cell, partial(self._add_best_of_n, cell)) for cell in study.proxies.cells]
        cells += [(run[0], partial(self._add_ppo, *run)) for run in self._ppo_runs()]
        if isinstance(study, PretrainedStudy) and study.rloo:
            cells += [(cell, partial(self._add_rloo, study, cell)) for cell in study.rloo.grid.cells]
        if others := study.other_policies:
            cells += [(cell, partial(self._add_other_policies, others, cell)) for cell in others.grid.cells]
        if iterated := study.iterated:
            cells += [(cell, partial(self._add_iterated, iterated, cell)) for cell in iterated.grid.cells]
        if far := study.far_best_of_n:
            cells += [(cell, partial(self._add_far, far, cell)) for cell in far.grid.cells]
        if direct := study.direct:
            cells += [(cell, partial(self._add_direct, direct, cell)) for cell in direct.cells(study.policy)]
        for _, add in sorted(cells, key=lambda pair: pair[0].seed):  # of one seed, in the order above
            add()

    def curve(
        self,
        cell: Cell | None,
        policy: str = "",
        *,
        ensemble: str = "single",
        setting: str = "",
        rounds: int = 1,
        round: int = 1,
    ) -> specs.Curve:
        """What a curve of this proxy is called; none is gold itself."""
        study, params = self.study, self.study.models[policy or self.study.policy].parameters
        return specs.Curve(
            study=study.name,
            world=study.world,
            policy_params=params,
            label_noise=cell.label_noise if cell else 0.0,
            ensemble=ensemble,
            setting=setting,
            seed=cell.seed if cell else 0,
            rounds=rounds,
            round=round,
        )

    def _add_samples(self, use: str, of: BestOfN | FarBestOfN, policy: str = "") -> dict[str, Stage]:
        """Samples of the evaluation prompts by a policy that was not optimised, in parts, as parents by role."""
        size = self.study.models[policy or self.study.policy].parameters
        # of a large policy fewer, but not so few that loading it is what takes the time
        samples = round(SAMPLES_A_STAGE * min(1.0, (SMALL / size) ** 0.5))
        prompts, parts = max(1, samples // of.samples), {}
        for k, first in enumerate(range(0, of.prompts, prompts)):
            spec = specs.SamplesSpec(
                **dict(self.world.prompting),
                sampler=self.world.sampler,
                seed=self.study.seed,
                use=use,
                prompts=of.prompts,
                first=first,
                last=min(first + prompts, of.prompts),
                samples=of.samples,
            )
            title = f"{use} samples{f' of {policy}' if policy else ''}, part {k}"
            parents = self.world.text | {"policy": self.world.policies[policy or self.study.policy]}
            parts[f"part_{k}"] = self.graph.add("samples", title, spec, **parents)
        return parts

    def _add_pool(self) -> Stage:
        study, world = self.study, self.world
        parts = self._add_samples("evaluation", study.best_of_n)
        spec = specs.SamplesSpec(
            **dict(world.wrapping),
            sampler=world.sampler,
            seed=study.seed,
            use="show",
            show_prompts=study.show_prompts,
            samples=study.best_of_n.samples,
            completion_tokens=study.text.completion_tokens,
        )
        parents = {"tokenizer": world.tokenizer, "policy": world.policies[study.policy]}
        show = self.graph.add("samples", "samples for show", spec, **parents)
        return self.graph.add(
            "pool",
            "pool",
            specs.PoolSpec(parts=len(parts), frozen=self.frozen),
            **world.judged,
            **parts,
            show=show,
        )

    def scale_of(self, cell: Cell) -> Stage:
        """Best-of-n against a proxy, which has its scale."""
        if cell not in self.best_of_n:
            self._add_best_of_n(cell)
        return self.best_of_n[cell]

    def against(self, cell: Cell) -> dict[str, Stage]:
        """What a policy is optimised against, with its scale, and the proxies of other seeds that look on where some do."""
        parents = {"proxy": self.proxies.add(cell), "scale": self.scale_of(cell)}
        if count := self.study.watchers:
            # not itself, of which it never parts
            others = [other for other in self.study.proxies.cells if other != cell]
            alike = [other for other in others if other._replace(seed=cell.seed) == cell]
            after = sorted(alike, key=lambda other: (other.seed <= cell.seed, other.seed))
            for k, other in enumerate(after[:count]):
                parents[f"watcher_{k}"] = self.proxies.add(other)
                parents[f"watcher_scale_{k}"] = self.scale_of(other)
        return parents

    def _add_best_of_n(self, cell: Cell) -> None:
        title, proxy = f"best-of-n {label(cell)}", self.proxies.add(cell)
        self.best_of_n[cell] = self._best_of_n_stage(title, self.curve(cell), proxy)

    def _best_of_n_stage(self, title: str, curve: specs.Curve, proxy: Stage) -> Stage:
        study = self.study
        spec = specs.BestOfNSpec(
            curve=curve,
            samples=study.best_of_n.samples,
            max_n=study.best_of_n.max_n,
            show_prompts=study.show_prompts,
            frozen=self.frozen,
        )
        parents = {"tokenizer": self.world.tokenizer, "pool": self.pool, "proxy": proxy}
        return self.graph.add("best_of_n", title, spec, **parents)

    def add_joined(self, cell: Cell, ensemble: str, proxy: Stage, kl_penalties: Iterable[float]) -> None:
        """Best-of-n, and PPO with these penalties, against `proxy`: an `ensemble` of proxies like `cell` but for seeds."""
        curve, which = self.curve(cell, ensemble=ensemble), f"{label(cell)}, {ensemble}"
        scale = self._best_of_n_stage(f"best-of-n {which}", curve, proxy)
        for penalty in kl_penalties:
            parents = {"policy": self.world.policies[self.study.policy], "proxy": proxy, "scale": scale}
            self.ppo_stage(f"PPO {which}{at(penalty)}", curve, parents, kl_penalty=penalty)

    def _ppo_runs(self) -> list[tuple[Cell, str, float]]:
        """Proxy, policy and penalty of every PPO run, each once."""
        runs = [
            (cell, policy, penalty)
            for part in (self.study.ppo.grids if self.study.ppo else ())
            for cell in part.grid.cells
            for policy in part.policies or (self.study.policy,)
            for penalty in part.kl_penalties
        ]
        return list(dict.fromkeys(runs))

    def _add_ppo(self, cell: Cell, policy: str, penalty: float) -> None:
        title = f"PPO {label(cell)}"
        title += f", policy {policy}" if policy != self.study.policy else ""
        title += at(penalty)
        parents = {"policy": self.world.policies[policy]} | self.against(cell)
        self.ppo_stage(title, self.curve(cell, policy), parents, kl_penalty=penalty)

    def _add_rloo(self, study: PretrainedStudy, cell: Cell) -> None:
        assert study.rloo is not None  # what asks for a run has them
        spec = specs.RLOOSpec(**self.optimising(self.curve(cell)), kl_penalty=0.0, rloo=study.rloo.run)
        parents = self.watching | {"policy": self.world.policies[study.policy]} | self.against(cell)
        self.graph.add("rloo", f"RLOO {label(cell)}", spec, **parents)

    def _add_direct(self, direct: Direct, cell: Cell) -> None:
        study, told = self.study, self.optimising(self.curve(cell))
        parents = self.watching | {
            "policy": self.world.policies[study.policy],
            "pairs": self.proxies.pairs,
        }
        for loss, beta in product(direct.losses, direct.betas):
            spec = specs.DirectSpec(
                **told,
                kl_penalty=beta,
                loss=loss,
                pairs=cell.pairs,
                validation=study.pairs.validation,
                run=direct.run,
            )
            title = f"{loss.upper()} {label(cell)}, beta {beta:g}"
            self.graph.add("direct", title, spec, **parents)

    def ppo_stage(
        self,
        title: str,
        curve: specs.Curve,
        parents: dict[str, Stage],
        run: PPO | None = None,
        *,
        kl_penalty: float = 0.0,
        seed: int | None = None,
    ) -> Stage:
        """Reinforcement learning as in `run`, the study's own if it is not given, with the curve's seed or with `seed`."""
        assert self.study.ppo is not None  # what asks for a run has them
        run = run or self._run
        told = self.optimising(curve) | ({} if seed is None else {"seed": seed})
        spec = specs.PPOSpec(**told, kl_penalty=kl_penalty, ppo=run)
        parents = self.watching | value_model(self.study.ppo, run, self.world) | parents
        return self.graph.add("ppo", title, spec, **parents)

    @property
    def _run(self) -> PPO:
        """How the study runs PPO."""
        assert self.study.ppo is not None  # what asks for a run has them
        return self.study.ppo.run

    def optimising(self, curve: specs.Curve) -> dict[str, Any]:
        """What every stage that optimises a policy is told."""
        study = self.study
        return {
            **dict(self.world.prompting),
            "curve": curve,
            "seed": study.seed + curve.seed,
            "evaluation_prompts": study.best_of_n.prompts,
            "show_prompts": study.show_prompts,
            "watched": bool(study.watchers),
            "lora": study.policy_lora if isinstance(study, PretrainedStudy) else None,
        }

    @property
    def watching(self) -> dict[str, Stage]:
        """The parents of every such stage: what asks a policy, and what judges it."""
        return self.world.judged | {"pool": self.pool, "corpus": self.world.corpus}

    def _add_iterated(self, iterated: Iterated, cell: Cell) -> None:
        for rounds in iterated.rounds:
            self._add_rounds(cell, rounds, iterated.distance)

    def _add_rounds(self, cell: Cell, rounds: int, distance: float) -> None:
        """`rounds` rounds of RLHF: each but the first starts from the policy before, with pairs and proxy of its own."""
        study, initial = self.study, self.world.policies[self.study.policy]
        policy, proxy, scale, seed = initial, self.proxies.add(cell), self.best_of_n[cell], None
        count = round(cell.pairs / (1 - study.pairs.validation)) + 1
        for k in range(1, rounds + 1):
            which = f"{label(cell)}, round {k} of {rounds}"
            curve = self.curve(cell, rounds=rounds, round=k)
            parents = {"policy": policy, "proxy": proxy, "scale": scale}
            if k > 1:
                parents["initial"] = initial
            run = self._run.model_copy(update={"max_kl": (distance / rounds) ** 2})
            policy = self.ppo_stage(f"PPO {which}", curve, parents, run, seed=seed)
            if k < rounds:
                # the same in all rounds, luck would add up over them and pass for what rounds do
                seed = derive(study.seed, "round", cell.seed, rounds, k + 1)
                pairs = self.proxies.add_pairs(f"pairs after {which}", policy, count, seed=seed)
                proxy = self.proxies.add(cell._replace(seed=seed), pairs, f"proxy after {which}")
                title, reading = f"scale after {which}", specs.Reading(frozen=self.frozen)
                scale = self.graph.add("proxy_scale", title, reading, proxy=proxy, pool=self.pool)

    def _add_other_policies(self, others: OtherPolicies, cell: Cell) -> None:
        """Best-of-n of other policies by the same proxy, on the same scales."""
        world, of = self.world, others.best_of_n
        for policy in others.models:
            parts = self._add_samples("evaluation", of, policy)
            parents = world.judged | parts | {"pool": self.pool}
            size = specs.PoolSpec(parts=len(parts), frozen=self.frozen)
            pool = self.graph.add("pool", f"pool of {policy}", size, **parents)
            curve = self.curve(cell, policy)
            spec = specs.OtherBestOfNSpec(curve=curve, samples=of.samples, max_n=of.max_n, frozen=self.frozen)
            parents = {"pool": pool, "proxy": self.proxies.add(cell), "best_of_n": self.best_of_n[cell]}
            title = f"best-of-n {label(cell)}, policy {policy}"
            self.graph.add("other_best_of_n", title, spec, **parents)

    def _add_far(self, far: FarBestOfN, cell: Cell) -> None:
        parts = self._add_samples("far", far)
        spec = specs.FarBestOfNSpec(
            curve=self.curve(cell),
            seed=self.study.seed,
            samples=far.samples,
            max_n=far.max_n,
            exact=far.exact,
            parts=len(parts),
            frozen=self.frozen,
        )
        parents = {"tokenizer": self.world.tokenizer, "gold": self.world.golds["gold"], "pool": self.pool}
        parents |= {"proxy": self.proxies.add(cell), "best_of_n": self.best_of_n[cell]} | parts
        title = f"far best-of-n {label(cell)}"
        self.graph.add("far_best_of_n", title, spec, **parents)


def at(penalty: float) -> str:
    """How the title of a run ends that has this KL penalty."""
    return f", penalty {penalty:g}" if penalty else ""


def value_model(runs: PPORuns, run: PPO, world: World) -> dict[str, Stage]:
    """The parent that the value model of `run` starts as, by role; none where that is the proxy."""
    return {} if run.value_from == "proxy" else {"value_model": world.models[runs.value_model]}
