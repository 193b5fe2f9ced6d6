"""The part of a plan that chooses among samples: softer best-of-n over the pool, and policies that learn the best of n."""

from overopt.engine.stage import Stage
from overopt.plan import stage_specs as specs
from overopt.plan.curves import CurveStages
from overopt.plan.proxies import ProxyStages, label
from overopt.plan.registry import Graph
from overopt.study.parts import Cell
from overopt.study.rejection_parts import Rejection, Selection
from overopt.study.study import Study


def add_selections(graph: Graph, study: Study, proxies: ProxyStages, curves: CurveStages) -> None:
    """Their curves, each after best-of-n against the same proxy, which has its scale."""
    if selection := study.selection:
        for cell in selection.grid.cells:
            scores = _scores(graph, proxies, curves, cell)
            for tau in (None, *selection.temperatures):
                _add_selection(graph, study, selection, curves, cell, scores, tau)
    if rejection := study.rejection:
        for cell in rejection.grid.cells:
            for n in rejection.ns:
                _add_rejection(graph, rejection, curves, cell, n)


def _scores(graph: Graph, proxies: ProxyStages, curves: CurveStages, cell: Cell) -> Stage:
    """What one proxy says of the pool, once for all that chooses by it."""
    parents = {"pool": curves.pool, "proxy": proxies.add(cell), "best_of_n": curves.best_of_n[cell]}
    title = f"scores of the pool {label(cell)}"
    return graph.add("pool_scores", title, specs.Reading(frozen=curves.frozen), **parents)


def _add_selection(
    graph: Graph,
    study: Study,
    selection: Selection,
    curves: CurveStages,
    cell: Cell,
    scores: Stage,
    tau: float | None,
) -> None:
    setting = selection.label(tau) if tau else ""
    spec = specs.SelectionSpec(
        curve=curves.curve(cell, setting=setting),
        samples=study.best_of_n.samples,
        max_n=study.best_of_n.max_n,
        tau=tau,
        seed=study.seed,
    )
    title = f"soft best-of-n {label(cell)}, {setting}" if tau else f"best-of-Poisson {label(cell)}"
    graph.add("selection", title, spec, pool=curves.pool, scores=scores)


def _add_rejection(graph: Graph, rejection: Rejection, curves: CurveStages, cell: Cell, n: int) -> None:
    setting = rejection.label(n)
    told = curves.optimising(curves.curve(cell, setting=setting))
    spec = specs.RejectionSpec(**told, kl_penalty=0.0, n=n, run=rejection.run)
    parents = curves.watching | {"policy": curves.world.policies[curves.study.policy]} | curves.against(cell)
    graph.add("rejection", f"RFT {label(cell)}, {setting}", spec, **parents)
