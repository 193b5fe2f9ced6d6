"""Scaling laws of reward-model overoptimisation: measure, fit and check them on any machine.

    scores of your own    best_of_n, best_of_n_curve, best_of_n_kl, tilt
    a curve               fit, Fit, LAWS, bootstrap
    policies of your own  measure, load_policy, read_prompts, RewardModel, Scorer
    a whole study         load_study, run, load_results
    what is refused       UserError, in one sentence

Names are imported when they are asked for: torch is not, before something needs it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from overopt.api import load_results, run
    from overopt.estimators.best_of_n import best_of_n, best_of_n_curve, best_of_n_kl
    from overopt.estimators.bootstrap import bootstrap
    from overopt.estimators.laws import LAWS, Fit, fit
    from overopt.estimators.tilting import tilt
    from overopt.models.pretrained import Scorer, load_policy, read_prompts
    from overopt.models.text_reward import RewardModel
    from overopt.rewards.judge import measure
    from overopt.study.study import load_study
    from overopt.util.errors import UserError

__version__ = "0.1.0"

__all__ = [
    "LAWS",
    "Fit",
    "RewardModel",
    "Scorer",
    "UserError",
    "best_of_n",
    "best_of_n_curve",
    "best_of_n_kl",
    "bootstrap",
    "fit",
    "load_policy",
    "load_results",
    "load_study",
    "measure",
    "read_prompts",
    "run",
    "tilt",
]

# the same names as above, for who runs: PEP 562
_HOMES = {
    "api": ("load_results", "run"),
    "estimators.best_of_n": ("best_of_n", "best_of_n_curve", "best_of_n_kl"),
    "estimators.bootstrap": ("bootstrap",),
    "estimators.laws": ("LAWS", "Fit", "fit"),
    "estimators.tilting": ("tilt",),
    "models.pretrained": ("Scorer", "load_policy", "read_prompts"),
    "models.text_reward": ("RewardModel",),
    "rewards.judge": ("measure",),
    "study.study": ("load_study",),
    "util.errors": ("UserError",),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"overopt.{module}"), name)
    raise AttributeError(f"module 'overopt' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
