"""A study as a graph of stages, in an order in which each follows its parents.

The parts of the graph stand beside this file: `reviews` or `pretrained` (data, models, gold), `proxies` (pairs, learning
rates, proxies), `ppo_sweep` (settings of PPO), `curves` (best-of-n, PPO, rounds of RLHF), `selections` (softer
best-of-n, and what learns from it), `variants` (PPO otherwise), `ensembles` (several proxies
as one) and `predictions` (curves before anything is optimised).
"""

from overopt.engine.plan import Plan
from overopt.engine.stage import Stage
from overopt.plan.curves import add_curves
from overopt.plan.ensembles import add_ensembles
from overopt.plan.gated_gold import add_halves
from overopt.plan.ppo_sweep import add_ppo_sweep
from overopt.plan.predictions import add_predictions
from overopt.plan.pretrained import add_pretrained
from overopt.plan.proxies import ProxyStages
from overopt.plan.registry import Graph
from overopt.plan.reviews import add_reviews
from overopt.plan.selections import add_selections
from overopt.plan.stage_specs import HalvesSpec, RulePowerSpec, TablesSpec, VerdictsSpec
from overopt.plan.variants import add_variants
from overopt.study.study import PretrainedStudy, ReviewsStudy, Study


def plan(study: Study) -> Plan:
    """The stages of `study`. Each stage's spec holds just the fields that its result depends on."""
    graph = Graph()
    match study:
        case ReviewsStudy():
            world = add_reviews(graph, study)
        case PretrainedStudy():
            world = add_pretrained(graph, study)
        case _:
            raise TypeError(f"plan: found a study of {type(study).__name__}, expected one of a world")
    proxies = ProxyStages(graph, study, world)
    if isinstance(study, ReviewsStudy) and study.ppo_sweep:
        add_ppo_sweep(graph, study, study.ppo_sweep, world, proxies)
    curves = add_curves(graph, study, world, proxies)
    add_selections(graph, study, proxies, curves)
    add_variants(study, curves)
    if study.ensembles:
        add_ensembles(graph, study, study.ensembles, proxies, curves)
    if study.predictions:
        add_predictions(graph, study, study.predictions, proxies, curves)
    if isinstance(study, ReviewsStudy):
        add_halves(graph, study, curves)
    everything = {stage.title: stage for stage in graph.stages}
    tables = TablesSpec(study=study.model_dump(mode="json"))
    graph.add("tables", "tables", tables, **everything)
    return Plan(study.name, tuple(graph.stages))


def verdicts(tables: Stage, rules: str) -> Stage:
    """The verdicts on `tables` by the rules of that SHA-256."""
    return Graph().add("verdicts", "verdicts", VerdictsSpec(rules=rules), tables=tables)


def unruled(made: Plan) -> Stage:
    """What gold without its rule on repetition says of the texts in the tables of `made`, a study of `reviews`."""
    of = {stage.title: stage for stage in made.stages}
    halves = of["halves of gold"]
    parents = {role: halves.parents[role] for role in ("tokenizer", "gold", "pool")}
    spec = HalvesSpec.model_validate(halves.spec)
    return Graph().add("unruled", "gold without its rule", spec, **parents, tables=made.tables)


def rule_power(tables: Stage, rules: str, draws: int) -> Stage:
    """What those rules say in known worlds with the runs and the noise of `tables`."""
    spec = RulePowerSpec(rules=rules, draws=draws)
    return Graph().add("rule_power", "power of the rules", spec, tables=tables)
