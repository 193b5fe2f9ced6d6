"""Which runs of a study are of one method, in which settings, and each run as arrays by prompt."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args

import numpy as np
import polars as pl
from jaxtyping import Float64

from overopt.analysis.curves import prompt_curve
from overopt.analysis.leading import leading, leads_on
from overopt.analysis.resampled import steps
from overopt.analysis.results import Results
from overopt.study.direct_parts import DirectLoss

DIRECT = get_args(DirectLoss)
WORDS = {
    "bon": "best-of-n",
    "soft_bon": "soft best-of-n",
    "bop": "best-of-Poisson",
    "ppo": "PPO",
    "rloo": "RLOO",
    "grpo": "GRPO",
    "rft": "rejection-sampling fine-tuning",
    "dpo": "DPO",
    "ipo": "IPO",
    "slic": "SLiC",
}
ALWAYS_SET = ("soft_bon", "rft")  # methods that are nothing without a setting: their name says enough
SELECTS = ("bon", "soft_bon", "bop")  # among samples of the base policy, of which no step is taken

Points = Float64[np.ndarray, " points"]
ByPrompt = Float64[np.ndarray, "points prompts"]
OfPrompts = dict[str, Float64[np.ndarray, " prompts"]]


@dataclass(frozen=True, order=True)
class Method:
    """A way to optimise, apart from what can be set: its temperature, weight or penalty.

    method: see `curves.METHODS`; ensemble: how proxies were joined, without a weight; kind: what is set otherwise, without
    its number; penalised: with a KL penalty, which direct alignment always has.

    >>> Method("ppo", "worst of 5", "", True).label
    'PPO, worst of 5, KL penalty'
    >>> Method("soft_bon", "single", "tau", False).label, Method("grpo", "single", "GRPO", False).label
    ('soft best-of-n', 'GRPO')
    """

    method: str
    ensemble: str
    kind: str
    penalised: bool

    @property
    def label(self) -> str:
        """What tables and figures call it."""
        of = [WORDS[self.method]]
        of += [self.ensemble] if self.ensemble != "single" else []
        # a study may name a setting by the method that it makes of PPO
        says_more = self.method not in ALWAYS_SET and self.kind.lower() != self.method
        of += [self.kind] if self.kind and says_more else []
        return ", ".join(of + (["KL penalty"] if self.penalised and self.method not in DIRECT else []))

    @property
    def family(self) -> str:
        """Which methods it stands beside in a figure.

        >>> Method("bon", "mean of 5", "", False).family, Method("ppo", "mean of 5", "", True).family
        ('Choice among samples', 'Training against several proxies')
        """
        if self.method in SELECTS:
            return "Choice among samples"
        if self.method in DIRECT:
            return "Training on pairs, without a proxy"
        return f"Training against {'one proxy' if self.ensemble == 'single' else 'several proxies'}"

    @property
    def plain(self) -> bool:
        """Whether it is what the study does against a single proxy, with nothing set otherwise."""
        return self.ensemble == "single" and not self.kind and not self.penalised

    @property
    def members(self) -> int:
        """How many proxies are joined.

        >>> Method("bon", "mean of 5", "", False).members
        5
        """
        found = re.search(r"of (\d+)", self.ensemble)
        return int(found[1]) if found else 1

    def members_of(self, seed: int) -> range:
        """The seeds of the proxies behind one seed: see `overopt.study.ensemble_parts.Ensembles`."""
        return range(seed * self.members, (seed + 1) * self.members)


def method_of(row: Mapping[str, Any]) -> Method:
    """The method of a row of the curves table.

    >>> method_of({"method": "ppo", "ensemble": "variance of 5, weight 0.5", "setting": "clip 2", "kl_penalty": 0.1})
    Method(method='ppo', ensemble='variance of 5', kind='clip', penalised=True)
    """
    ensemble = row["ensemble"].partition(", weight")[0]
    kind = re.sub(r"\s*[\d.]+(e[+-]?\d+)?$", "", row["setting"] or "")
    return Method(row["method"], ensemble, kind, row["kl_penalty"] > 0)


def setting_of(row: Mapping[str, Any]) -> str:
    """What is set in a run of a method that others of it have otherwise, in words; empty where nothing is.

    >>> setting_of({"method": "dpo", "ensemble": "single", "setting": None, "kl_penalty": 0.1, "epochs": 4})
    'β 0.1, 4 passes'
    """
    weight = row["ensemble"].partition(", ")[2]
    penalty = f"{'β' if row['method'] in DIRECT else 'penalty'} {row['kl_penalty']:g}"
    # proxies of other methods are trained in one pass here: see `MethodRuns`
    passes = f"{row['epochs']} passes" if row["method"] in DIRECT and row["epochs"] > 1 else ""
    parts = [weight, row["setting"] or "", penalty if row["kl_penalty"] else "", passes]
    return ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class Run:
    """One run: KL (nats), gold and proxy score (base-policy SDs) at each `place` of its way, by prompt.

    A place is sqrt(KL) where KL leads on, and points at which a run came back are left out; it is sqrt(step) where
    something holds KL still while gold moves.
    end: `kl` and `gold` at its last point, which no place may be of: a run that came back ends there all the same.
    """

    place: Points
    kl: ByPrompt
    gold: ByPrompt
    end: OfPrompts

    def at(self, place: float) -> OfPrompts:
        """`kl` and `gold` at a place, interpolated; before the first that is held, at infinity the run's end."""
        if math.isinf(place):
            return self.end
        weights = _weights(self.place, np.array([place]))[0]
        return {"kl": weights @ self.kl, "gold": weights @ self.gold}

    def golds(self, places: Float64[np.ndarray, " at"]) -> Float64[np.ndarray, "at prompts"]:
        """Gold at every place, interpolated."""
        return np.asarray(_weights(self.place, places) @ self.gold)

    def gold_at_kl(self, kl: float) -> Float64[np.ndarray, " prompts"]:
        """Gold where mean KL first came to `kl` (nats); nan where it did not.

        >>> run = Run(np.array([0.0, 2.0]), np.array([[0.0], [4.0]]), np.array([[0.0], [1.0]]), {})
        >>> run.gold_at_kl(1.0).tolist(), run.gold_at_kl(9.0).tolist()
        ([0.5], [nan])
        """
        mean = self.kl.mean(1)
        if mean.max() < kl:
            return np.full(self.gold.shape[1], np.nan)
        first = leads_on(mean)
        return np.asarray((_weights(np.sqrt(mean[first]), np.sqrt([kl])) @ self.gold[first])[0])


@dataclass(frozen=True)
class Variant:
    """One setting of a method: its rows of the curves table, and its runs by seed."""

    method: Method
    setting: str
    label_noise: float
    rows: pl.DataFrame
    runs: Mapping[int, Run]

    @property
    def penalty(self) -> float:
        """Weight of its KL penalty (score SDs a nat); of direct alignment beta."""
        return float(self.rows["kl_penalty"][0])

    @property
    def passes(self) -> int:
        """How often its runs, or their proxies, learned from each pair."""
        return int(self.rows["epochs"][0])

    @property
    def by_step(self) -> bool:
        """Whether its runs are followed by step."""
        return followed_by_step(self.method)


def followed_by_step(method: Method) -> bool:
    """Whether something may hold KL still while gold moves: a penalty, or another setting of a method that takes steps."""
    return method.method not in SELECTS and (method.penalised or bool(method.kind))


class MethodRuns:
    """Every run of a study's policy against proxies of one size and number of pairs, by method, setting and label noise.

    The size and number of pairs are those with which most was tried, the largest of such sizes. Direct alignment has no
    proxy of another size, and may see its pairs often; proxies that did are left out, as are rounds and what is computed and
    not done (tilting).

    Args:
        results: of a study.
        rm_params, pairs: another proxy size, another number of pairs.
    """

    def __init__(self, results: Results, rm_params: int | None = None, pairs: int | None = None) -> None:
        study = results.study
        ours = results.curves.filter(
            pl.col("method").is_in(list(WORDS)),
            pl.col("pairs") > 0,
            pl.col("method").is_in(DIRECT) | (pl.col("epochs") == 1),
            rounds=1,
            policy_params=study.models[study.policy].parameters,
        )
        proxied = ours.filter(~pl.col("method").is_in(DIRECT))
        tried = proxied.group_by("rm_params", "pairs").agg(
            pl.struct("method", "ensemble", "setting", "kl_penalty", "label_noise").n_unique().alias("tried")
        )
        if rm_params is not None:
            tried = tried.filter(rm_params=rm_params)
        if pairs is not None:
            tried = tried.filter(pairs=pairs)
        most = tried.sort("tried", "rm_params", "pairs").row(-1, named=True) if tried.height else {}
        self.rm_params = int(most.get("rm_params", 0))
        self.pairs = int(most.get("pairs", max(ours["pairs"], default=0)))
        same = pl.col("method").is_in(DIRECT) | (pl.col("rm_params") == self.rm_params)
        self.curves = ours.filter(same, pairs=self.pairs)
        self.by_prompt = results.by_prompt.filter(
            pl.col("record").is_in(self.curves["record"].unique().implode())
        )

    @cached_property
    def variants(self) -> list[Variant]:
        """Every setting of every method, in the order of `WORDS`, plain ones first."""
        parts = self.by_prompt.partition_by("record", as_dict=True)
        found: dict[tuple[Method, str, float], dict[int, Run]] = {}
        rows: dict[tuple[Method, str, float], list[pl.DataFrame]] = {}
        for curve in self.curves.partition_by("record", maintain_order=True):
            first = curve.row(0, named=True)
            which = method_of(first), setting_of(first), float(first["label_noise"])
            run = _run(parts[first["record"],], first["record"], by_step=followed_by_step(which[0]))
            found.setdefault(which, {})[first["seed"]] = run
            rows.setdefault(which, []).append(curve)
        order = list(WORDS)
        keys = sorted(found, key=lambda key: (order.index(key[0].method), not key[0].plain, key))
        return [Variant(*key, pl.concat(rows[key]), found[key]) for key in keys]

    def methods(self, label_noise: float = 0.0) -> list[Method]:
        """The methods measured at a share of flipped labels, in order."""
        return list(dict.fromkeys(v.method for v in self.variants if v.label_noise == label_noise))

    def noises(self) -> list[float]:
        """Shares of flipped labels, in order."""
        return sorted({v.label_noise for v in self.variants})

    def of(self, which: Callable[[Method], bool], label_noise: float = 0.0) -> list[Variant]:
        """The variants of every method that `which` is true of, at a share of flipped labels."""
        return [v for v in self.variants if v.label_noise == label_noise and which(v.method)]

    def plain(self, method: str, label_noise: float = 0.0) -> list[Variant]:
        """A method as the study runs it, against a single proxy."""
        return self.of(lambda other: other.method == method and other.plain, label_noise)

    def joined(self, method: str, how: str, label_noise: float = 0.0) -> list[Variant]:
        """A method against several proxies joined in one way: see `overopt.study.ensemble_parts.How`."""
        return self.of(lambda m: m.method == method and m.ensemble.startswith(how), label_noise)

    def plain_direct(self, loss: str, label_noise: float = 0.0) -> list[Variant]:
        """Direct alignment with one loss, at every beta."""
        return self.of(lambda other: other.method == loss and not other.kind, label_noise)


def _run(by_prompt: pl.DataFrame, record: str, *, by_step: bool) -> Run:
    points = prompt_curve(by_prompt, record)
    kl, gold = points["kl"], points["gold"]
    end = {"kl": kl[-1], "gold": gold[-1]}
    if by_step:
        return Run(np.sqrt(steps(by_prompt, record)), kl, gold, end)
    ahead = leading(points)
    return Run(np.sqrt(ahead["kl"].mean(1)), ahead["kl"], ahead["gold"], end)


def _weights(place: Points, at: Float64[np.ndarray, " at"]) -> Float64[np.ndarray, "at points"]:
    """Weights that linearly interpolate values at `place`, in ascending order, at each `at`."""
    return np.array([np.interp(at, place, unit) for unit in np.eye(len(place))]).T
