"""The part of a plan that makes one proxy of several, and measures it as any other."""

from overopt.engine.stage import Stage
from overopt.plan.curves import CurveStages
from overopt.plan.proxies import ProxyStages, label
from overopt.plan.registry import Graph
from overopt.plan.stage_specs import AveragedProxySpec, EnsembleSpec
from overopt.study.ensemble_parts import Ensembles, How
from overopt.study.parts import Cell
from overopt.study.study import Study


def add_ensembles(
    graph: Graph, study: Study, ensembles: Ensembles, proxies: ProxyStages, curves: CurveStages
) -> None:
    """The curves of every ensemble, each after the curves of its members, which have their scales."""
    size = ensembles.members
    for first in ensembles.grid.cells:
        if first.seed % size:
            continue
        members = [first._replace(seed=first.seed + k) for k in range(size)]
        cell = first._replace(seed=first.seed // size)  # what its curves are called by
        for how in ensembles.joins:
            proxy = _joined(graph, study, ensembles, proxies, curves, members, how)
            penalties = ensembles.kl_penalties if how in ensembles.ppo else ()
            curves.add_joined(cell, ensembles.label(how), proxy, penalties)


def _joined(
    graph: Graph,
    study: Study,
    ensembles: Ensembles,
    proxies: ProxyStages,
    curves: CurveStages,
    members: list[Cell],
    how: How,
) -> Stage:
    """The proxy that these members make together."""
    title = f"proxies {label(members[0])} to {members[-1].seed}, {ensembles.label(how)}"
    parents = {"pairs": proxies.pairs}
    validation = study.pairs.validation
    if how == "weights":
        start = members[0].seed
        for k, cell in enumerate(members):
            own = f"proxy {label(cell)}, with the head of seed {start}"
            parents[f"member_{k}"] = proxies.add(cell, title=own, head_seed=start)
        averaged = AveragedProxySpec(members=len(members), validation=validation)
        return graph.add("averaged_proxy", title, averaged, **parents)
    for k, cell in enumerate(members):
        parents[f"member_{k}"], parents[f"scale_{k}"] = proxies.add(cell), curves.best_of_n[cell]
    weight = ensembles.weight or 0.0 if how == "variance" else 0.0
    spec = EnsembleSpec(
        members=len(members), validation=validation, frozen=curves.frozen, join=how, weight=weight
    )
    return graph.add("ensemble", title, spec, **parents)
