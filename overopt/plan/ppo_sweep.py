"""The part of a plan that tries settings of PPO: without gold, on a seed and on prompts that nothing else uses."""

from overopt.plan.curves import value_model
from overopt.plan.proxies import SWEEP_SEED, ProxyStages
from overopt.plan.registry import Graph
from overopt.plan.stage_specs import Nothing, PPOTrialSpec, SweepBaseSpec
from overopt.plan.world import World
from overopt.study.parts import Cell
from overopt.study.ppo_parts import PPOSweep
from overopt.study.study import ReviewsStudy


def add_ppo_sweep(
    graph: Graph, study: ReviewsStudy, sweep: PPOSweep, world: World, proxies: ProxyStages
) -> None:
    """A proxy of its own, base samples that show what the best policy needs, a run for each setting, and their table."""
    proxy = proxies.add(Cell(sweep.model, sweep.pairs, 1, SWEEP_SEED), title="proxy of the PPO sweep")
    told = dict(world.prompting) | {
        "seed": study.seed + SWEEP_SEED,
        "skip": study.spent_on_text,
        "evaluation_prompts": sweep.prompts,
    }
    parents = world.text | {"policy": world.policies[study.policy], "proxy": proxy}
    spec = SweepBaseSpec(**told, sampler=world.sampler, samples=sweep.samples)
    base = graph.add("sweep_base", "base samples of the PPO sweep", spec, **parents)
    trials = {}
    for name, run in sweep.runs.items():
        own = parents | value_model(study.ppo, run, world) | {"scale": base}
        title = f"PPO of the sweep, {name}"
        trials[name] = graph.add("ppo_trial", title, PPOTrialSpec(**told, ppo=run), **own)
    graph.add("ppo_sweep", "settings of PPO", Nothing(), base=base, **trials)
