"""The part of a plan that runs reinforcement learning otherwise than the study's own: every setting x proxy x KL penalty."""

from overopt.plan.curves import CurveStages, at
from overopt.plan.proxies import label
from overopt.study.ppo_parts import PPO, PPOVariants, changed_runs
from overopt.study.study import Study


def add_variants(study: Study, curves: CurveStages) -> None:
    """Their curves."""
    for part in study.variants:
        assert study.ppo is not None  # a study with variants has what they vary
        for name, run in changed_runs(study.ppo.run, part.settings).items():
            _add_variant(part, curves, name, run)


def _add_variant(part: PPOVariants, curves: CurveStages, name: str, run: PPO) -> None:
    for cell in part.grid.cells:
        parents = {"policy": curves.world.policies[curves.study.policy]} | curves.against(cell)
        curve = curves.curve(cell, setting=name)
        for penalty in part.kl_penalties:
            title = f"{run.method.upper()} {label(cell)}, {name}{at(penalty)}"
            curves.ppo_stage(title, curve, parents, run, kl_penalty=penalty)
