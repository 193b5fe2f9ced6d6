"""Proxies in use: one reward model, or the scores of several joined into one.

An ensemble errs less than its members where they err differently, and a join that heeds where they differ gives least to
texts that only some of them like (Coste et al. 2023, arXiv:2310.02743). A new join is a function, a row of `JOINS`, and a
word of `JoinName` in `overopt.study.ensemble_parts`.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from overopt.models.build import load_reward_model
from overopt.models.samples import Samples
from overopt.rewards.scoring import Scale, score
from overopt.util.files import read_json, write_json

JOIN = "join.json"  # in the folder of an ensemble, and in no other


def mean(scores: Float[Tensor, "members samples"], weight: float = 0.0) -> Float[Tensor, " samples"]:
    """The mean of the members, in base-policy SDs.

    >>> mean(torch.tensor([[1.0, 2.0], [3.0, -2.0]])).tolist()
    [2.0, 0.0]
    """
    return scores.double().mean(0).to(scores.dtype)  # of equal scores, to the last bit, that score


def worst(scores: Float[Tensor, "members samples"], weight: float = 0.0) -> Float[Tensor, " samples"]:
    """What the member says that likes a sample least, in base-policy SDs (Coste et al. 2023: worst-case optimisation).

    >>> worst(torch.tensor([[1.0, 2.0], [3.0, -2.0]])).tolist()
    [1.0, -2.0]
    """
    return scores.amin(0)


def variance(scores: Float[Tensor, "members samples"], weight: float) -> Float[Tensor, " samples"]:
    """The mean less `weight` times the variance over members, in base-policy SDs; `weight` is in 1 / SDs.

    The variance is divided by the number of members (Coste et al. 2023: uncertainty-weighted optimisation).

    >>> variance(torch.tensor([[1.0, 2.0], [3.0, -2.0]]), 0.5).tolist()
    [1.5, -2.0]
    """
    exact = scores.double()
    return (exact.mean(0) - weight * exact.var(0, correction=0)).to(scores.dtype)


Join = Callable[[Tensor, float], Tensor]
JOINS: dict[str, Join] = {"mean": mean, "worst": worst, "variance": variance}


@runtime_checkable
class Proxy(Protocol):
    """What a policy can be optimised against."""

    def score(self, samples: Samples, *, batch: int) -> Float[Tensor, " samples"]:
        """Raw score of prompt and completion, on the CPU, in the order of `samples`; `batch` are read at once."""


@dataclass(frozen=True)
class Single:
    """One reward model."""

    model: PreTrainedModel

    def score(self, samples: Samples, *, batch: int) -> Float[Tensor, " samples"]:
        """See `Proxy.score`; in the model's own unit."""
        return score(self.model, samples, batch=batch)


@dataclass(frozen=True)
class Ensemble:
    """Several proxies, each on its own scale before they are joined: they agree on their unit and on where 0 is.

    join: a name of `JOINS`; weight: of the variance, in 1 / SDs, for the join that has one.
    """

    members: Sequence[tuple[Proxy, Scale]]
    join: str
    weight: float = 0.0

    def score(self, samples: Samples, *, batch: int) -> Float[Tensor, " samples"]:
        """See `Proxy.score`; in base-policy SDs."""
        return JOINS[self.join](self.scores(samples, batch=batch), self.weight)

    def scores(self, samples: Samples, *, batch: int) -> Float[Tensor, "members samples"]:
        """What each member says, in base-policy SDs."""
        return torch.stack([scale(member.score(samples, batch=batch)) for member, scale in self.members])


def load_proxy(folder: Path, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Proxy:
    """The proxy of a stage's folder: a reward model in `model`, or an ensemble that `save_ensemble` wrote."""
    if not (folder / JOIN).is_file():
        return Single(load_reward_model(folder / "model", device, dtype))
    told = read_json(folder / JOIN)
    parts = _member_folders(folder, told["members"])
    members = [(load_proxy(part, device, dtype), Scale.load(part, "proxy")) for part in parts]
    return Ensemble(members, told["join"], told["weight"])


def save_ensemble(
    out: Path, members: Sequence[Path], scales: Sequence[Scale], *, join: str, weight: float = 0.0
) -> None:
    """Keep the models of these folders in `out`, each with its scale, and how they are joined."""
    for part, member, scale in zip(_member_folders(out, len(members)), members, scales, strict=True):
        shutil.copytree(member / "model", part / "model", copy_function=_linked)
        scale.save(part, "proxy")
    write_json(out / JOIN, {"join": join, "weight": weight, "members": len(members)})


def first_model(folder: Path) -> tuple[PreTrainedModel, Scale]:
    """One reward model that says about what the proxy in `folder` does, and the scale that takes it there.

    It is the proxy itself, or the first member of an ensemble: what a value model can start as, which is one model.
    """
    if not (folder / JOIN).is_file():
        return load_reward_model(folder / "model"), Scale(1.0, 0.0)
    first = _member_folders(folder, 1)[0]
    return load_reward_model(first / "model"), Scale.load(first, "proxy")


def _linked(source: str, target: str) -> None:
    """One file under two names: results never change, and a model that is in every ensemble need not be kept in each."""
    try:
        os.link(source, target)
    except OSError:  # other disks, and some file systems
        shutil.copyfile(source, target)


def _member_folders(folder: Path, members: int) -> list[Path]:
    return [folder / f"member_{k}" for k in range(members)]
