"""The stages that make one proxy of several: of their scores, or of their weights. Curves take either for a proxy."""

from typing import Any

from overopt.engine.stage import Job
from overopt.models.averaged import average_weights
from overopt.models.build import load_reward_model, save_model
from overopt.models.precision import frozen_dtype
from overopt.plan.stage_specs import AveragedProxySpec, EnsembleSpec, Joining
from overopt.rewards.joined import Proxy, Single, load_proxy, save_ensemble
from overopt.rewards.pairs import split
from overopt.rewards.scoring import Scale
from overopt.stages.pairs import load_pairs
from overopt.stages.proxies import write_validation
from overopt.util.files import read_json


def ensemble(job: Job[EnsembleSpec]) -> None:
    """The members with their scales, each from its own best-of-n, and how their scores are joined; margins of the joined.

    Loss and margins are in base-policy SDs, which is what members are joined in.
    """
    spec = job.spec
    members = [job.parents[f"member_{k}"] for k in range(spec.members)]
    scales = [Scale.load(job.parents[f"scale_{k}"], "proxy") for k in range(spec.members)]
    save_ensemble(job.out, members, scales, join=spec.join, weight=spec.weight)
    _validate(job, load_proxy(job.out, job.runtime.device, frozen_dtype(spec.frozen)), spec.join)


def averaged_proxy(job: Job[AveragedProxySpec]) -> None:
    """One reward model with the mean of the members' weights, and its margins."""
    members = [job.parents[f"member_{k}"] / "model" for k in range(job.spec.members)]
    model = average_weights([load_reward_model(member, job.runtime.device) for member in members])
    save_model(model, job.out)
    _validate(job, Single(model), "weights")


def _validate(job: Job[Any], proxy: Proxy, join: str) -> None:
    """Margins and metrics of `proxy` on the pairs that none of its members was trained on.

    Beside that, metrics say what a member is: size, pairs and epochs of an ensemble are those of each of its members.
    """
    spec: Joining = job.spec
    _, held_out = split(load_pairs(job.parents["pairs"]), spec.validation)
    first, second = (proxy.score(side, batch=job.runtime.batch) for side in (held_out.first, held_out.second))
    of_member = read_json(job.parents["member_0"] / "metrics.json")
    described = of_member | {"members": spec.members, "join": join}
    write_validation(job.out, first - second, held_out, described)
