"""What tells of overoptimisation without gold: how far several proxies part, how likely the base policy finds texts."""

import torch
from torch import Tensor
from transformers import PreTrainedModel

from overopt.engine.stage import Job
from overopt.models.log_probs import total_log_probs
from overopt.models.precision import frozen_dtype
from overopt.models.samples import Samples
from overopt.plan.stage_specs import Optimising
from overopt.rewards.joined import Ensemble, Proxy, load_proxy
from overopt.rewards.scoring import Scale


class Watchers:
    """Looks at a policy's samples without gold: columns `spread` and `base_log_prob` of the curves table.

    Several proxies are the members of the proxy that the policy is optimised against, or it and the parents `watcher_0` and
    following, proxies of other seeds that only look on. Where there is one alone, nothing is known of a spread.
    """

    def __init__(self, job: Job[Optimising], *, minibatch: int) -> None:
        self.minibatch, self.batch = minibatch, job.runtime.batch
        device, dtype = job.runtime.device, frozen_dtype(job.spec.frozen)
        self.others: list[tuple[Proxy, Scale]] = []
        while (role := f"watcher_{len(self.others)}") in job.parents:
            scale = Scale.load(job.parents[role.replace("_", "_scale_")], "proxy")
            self.others.append((load_proxy(job.parents[role], device, dtype), scale))
        self.joined: Ensemble | None = None
        if "proxy" in job.parents and not self.others:
            proxy = load_proxy(job.parents["proxy"], device, dtype)
            self.joined = proxy if isinstance(proxy, Ensemble) else None

    def look(self, samples: Samples, proxy: Tensor, base: PreTrainedModel) -> dict[str, float | None]:
        """The columns for these samples, which `proxy` are the scores of; `base` is the base policy."""
        likely = total_log_probs(base, samples, batch=self.batch).double().mean().item()
        scores = proxy[None]
        if self.joined:
            scores = self.joined.scores(samples, batch=self.minibatch)
        elif self.others:
            said = [scale(other.score(samples, batch=self.minibatch)) for other, scale in self.others]
            scores = torch.stack([proxy, *said])
        spread = scores.double().std(0).mean().item() if len(scores) > 1 else None
        return {"spread": spread, "base_log_prob": likely}
