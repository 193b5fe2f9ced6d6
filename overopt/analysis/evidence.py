"""What verdicts and pages look at: the curves of a study, sliced by what they differ in, averaged and fitted once."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from overopt.analysis import averages, fitted_laws
from overopt.analysis.fitted_laws import Fits
from overopt.analysis.groups import PAIRS, PENALTIES, POLICIES, ROUNDS, SIZES, Group
from overopt.analysis.method_runs import MethodRuns
from overopt.analysis.resampled import Resampled, resampled
from overopt.analysis.results import Results
from overopt.estimators.bootstrap import Bootstrap
from overopt.estimators.uncertainty import error_over_seeds

SHOWN = ("gold", "gold_se", "gold_second", "proxy")  # of the end of a run of rounds


@dataclass(frozen=True)
class Slice:
    """Curves that differ in one thing and in seeds: their rows, and where needed their means and fits."""

    by: Group
    curves: pl.DataFrame
    by_prompt: pl.DataFrame
    _drawn: dict[tuple[Any, ...], Resampled] = field(default_factory=dict, repr=False)

    @cached_property
    def mean(self) -> pl.DataFrame:
        """Means over seeds: see `averages.averaged`."""
        return averages.averaged(self.curves, self.by)

    @cached_property
    def fits(self) -> Fits:
        """Fitted laws: see `fitted_laws.fitted`."""
        return fitted_laws.fitted(self.curves, self.by_prompt, self.by)

    def values(self, method: str) -> list[Any]:
        """What one method was measured for, in order: proxy sizes, numbers of pairs, ..."""
        return self.by.values(self.curves.filter(method=method))

    def drawn(self, method: str, value: Any, score: str = "gold", *, by_step: bool = False) -> Resampled:
        """One curve, drawn again: see `resampled.resampled`."""
        which = (method, value, score, by_step)
        if which not in self._drawn:
            curves = self.curves.filter(pl.col(self.by.column) == value, method=method)
            self._drawn[which] = resampled(curves, self.by_prompt, score, by_step=by_step)
        return self._drawn[which]

    def of(self, method: str) -> pl.DataFrame:
        """Mean curves of one method."""
        return self.mean.filter(method=method) if self.curves.height else self.curves

    def has(self, method: str, groups: int = 2) -> bool:
        """Whether one method was measured for so many groups."""
        return self.curves.filter(method=method)[self.by.column].n_unique() >= groups

    def peaks(self, method: str) -> pl.DataFrame:
        """Highest measured points: see `averages.measured_peaks`."""
        return averages.measured_peaks(self.mean, method, self.by)

    def law_lines(self, method: str) -> pl.DataFrame:
        """Fitted laws as lines: see `fitted_laws.law_lines`."""
        return fitted_laws.law_lines(self.fits, method, self.by)

    def coefficients(self, method: str) -> pl.DataFrame:
        """Fitted coefficients: see `fitted_laws.coefficient_table`."""
        return fitted_laws.coefficient_table(self.fits, method, self.by)


class Evidence:
    """The slices of one study's results."""

    def __init__(self, results: Results) -> None:
        self.results = results
        # no claim of the paper is of turned labels, ensembles or other settings
        self.curves = results.curves.filter(pl.col("setting").is_null(), label_noise=0.0, ensemble="single")
        study = results.study
        self.policy_params = study.models[study.policy].parameters
        self.plain = self.plain_but("")
        self.pairs = averages.main_pairs(self.plain)

    def plain_but(self, column: str) -> pl.DataFrame:
        """Plain curves, of which `column` may hold anything: see `averages.plain_curves`."""
        return averages.plain_curves(self.results.curves, self.policy_params, but=column)

    def slice(self, by: Group, curves: pl.DataFrame) -> Slice:
        """`curves`, which differ in `by` and seeds."""
        return Slice(by, curves, self.results.by_prompt)

    @cached_property
    def method_runs(self) -> MethodRuns:
        """Every method, also of ensembles and with what is set otherwise, against proxies of one size."""
        return MethodRuns(self.results)

    @cached_property
    def sizes(self) -> Slice:
        """Proxy sizes, at the main number of pairs (Figs 1, 3, 8)."""
        return self.slice(SIZES, self.plain.filter(pairs=self.pairs))

    @cached_property
    def sizes_by_second(self) -> Slice | None:
        """`sizes` as the second gold judges them, where the study has one; for means and peaks, not for fits."""
        judged = self.sizes.curves.filter(pl.col("gold_second").is_not_null())
        if judged.is_empty():
            return None
        return self.slice(SIZES, judged.with_columns(gold="gold_second", gold_se="gold_second_se"))

    @cached_property
    def far(self) -> Slice | None:
        """Far best-of-n of the sizes in `sizes` that have it (Fig. 26a); None where no main proxy has."""
        curves, by_prompt = self.results.far, self.results.far_by_prompt
        if curves is None or by_prompt is None:
            return None
        ours = averages.plain_curves(curves, self.policy_params).filter(pairs=self.pairs)
        return Slice(SIZES, ours, by_prompt) if ours.height else None

    def far_drawn(self, rm_params: int) -> Resampled | None:
        """`far` of one size, drawn again; None where it was not measured."""
        if self.far is None or rm_params not in self.far.values("bon"):
            return None
        return self.far.drawn("bon", rm_params)

    def data(self, rm_params: int) -> Slice:
        """Numbers of training pairs, for one proxy size (Figs 4, 19)."""
        return self.slice(PAIRS, self.plain.filter(rm_params=rm_params))

    def data_by_best_of_n(self, rm_params: int) -> Slice:
        """Those of `data` by best-of-n alone: PPO has fewer numbers of pairs, and its laws take long."""
        return self.slice(PAIRS, self.plain.filter(rm_params=rm_params, method="bon"))

    @cached_property
    def data_sizes(self) -> list[int]:
        """Proxy sizes that were measured over the full range of pairs, smallest first."""
        counts = self.plain.filter(method="bon").group_by("rm_params").agg(pl.col("pairs").n_unique())
        if counts["pairs"].max() < 3:  # type: ignore[operator]
            return []
        return counts.filter(pl.col("pairs") == counts["pairs"].max())["rm_params"].sort().to_list()

    @cached_property
    def grid(self) -> pl.DataFrame:
        """One row a proxy size and number of pairs: means over seeds of what best-of-n reaches.

        Columns: `rm_params, pairs, rm_loss, rm_accuracy, accuracy_se, gold_top, gold_top_se, gold_end, gold_end_se,
        n_end`: the highest gold, and gold at the largest n, in SDs.
        """
        rows = []
        bon = self.plain.filter(method="bon")
        for (size, pairs), part in bon.group_by("rm_params", "pairs", maintain_order=True):
            mean = averages.averaged(part)
            top, end = mean.row(int(mean["gold"].arg_max() or 0), named=True), mean.row(-1, named=True)
            proxies = part.unique("record")
            accuracy = proxies["rm_accuracy"]
            row = {"rm_params": size, "pairs": pairs, "rm_loss": proxies["rm_loss"].mean()}
            row |= {
                "rm_accuracy": accuracy.mean(),
                "accuracy_sd": accuracy.std() if len(accuracy) > 1 else 0.0,
            }
            for name, point in {"top": top, "end": end}.items():
                row |= {f"gold_{name}": point["gold"], f"gold_{name}_se": point["gold_se"]}
            rows.append(row | {"n_end": part["n"].max()})
        return pl.DataFrame(rows).sort("rm_params", "pairs")

    @cached_property
    def all_policies(self) -> pl.DataFrame:
        """Curves of every policy against the proxies that several policies share."""
        policies = self.plain_but("policy_params").filter(pairs=self.pairs)
        others = policies.filter(pl.col("policy_params") != self.policy_params)
        return policies.filter(pl.col("rm_params").is_in(others["rm_params"].unique().to_list()))

    def policies(self, rm_params: int) -> Slice:
        """Policy sizes, against one proxy size (Figs 7, 22)."""
        return self.slice(POLICIES, self.all_policies.filter(rm_params=rm_params))

    @cached_property
    def policy_proxies(self) -> list[int]:
        """Proxy sizes that several policies were optimised against, smallest first."""
        return self.all_policies["rm_params"].unique().sort().to_list()

    def policies_by_ppo(self, k: int) -> Slice:
        """`policies` against the proxy of place `k` by size, from 0, of those that PPO of several policies was run against.

        PPO may have fewer of the proxies than best-of-n has; where there is none of that place the slice is empty.
        """
        shared = [size for size in self.policy_proxies if self.policies(size).has("ppo")]
        return self.policies(shared[k] if k < len(shared) else 0)

    def penalties(self, rm_params: int) -> Slice:
        """KL penalties in PPO, against one proxy size (Fig. 9), of the seeds that have them all."""
        return self.slice(PENALTIES, self._penalised.filter(rm_params=rm_params))

    @cached_property
    def _penalised(self) -> pl.DataFrame:
        ppo = self.plain_but("kl_penalty").filter(method="ppo", pairs=self.pairs)
        penalised = ppo.filter(pl.col("kl_penalty") > 0).select("rm_params", "seed").unique()
        return ppo.join(penalised, on=["rm_params", "seed"], how="semi")

    @cached_property
    def penalty_proxies(self) -> list[int]:
        """Proxy sizes that PPO was penalised with, smallest first."""
        return self._penalised["rm_params"].unique().sort().to_list()

    @cached_property
    def epochs(self) -> pl.DataFrame:
        """Best-of-n at the largest n by pairs and passes, means over seeds, of the proxy size that most was repeated with.

        Columns: `pairs, epochs, rm_params, gold, gold_se, rm_loss`.
        """
        bon = self.plain_but("epochs").filter(method="bon")
        repeated = bon.filter(pl.col("epochs") > 1)
        if repeated.is_empty():
            return pl.DataFrame()
        bon = bon.filter(**_commonest(repeated, "rm_params"))
        last = bon.filter(n=bon["n"].max())
        rows: list[dict[str, Any]] = []
        for (pairs, epochs), part in last.group_by("pairs", "epochs", maintain_order=True):
            row = {"pairs": pairs, "epochs": epochs, "rm_params": part["rm_params"][0]}
            row |= _over_seeds({name: _floats(part, name) for name in ("gold", "gold_se")})
            rows.append(row | {"rm_loss": part["rm_loss"].mean()})
        return pl.DataFrame(rows).sort("pairs", "epochs")

    @cached_property
    def iterated(self) -> pl.DataFrame:
        """PPO in several rounds, of the proxy size and number of pairs that most such runs have."""
        runs = self.plain_but("rounds").filter(pl.col("rounds") > 1, method="ppo")
        return runs.filter(**_commonest(runs, "rm_params", "pairs")) if runs.height else runs

    @cached_property
    def once(self) -> pl.DataFrame:
        """PPO without rounds against the proxies that the first of the rounds of `iterated` have."""
        which = self.iterated.select("rm_params", "pairs").unique()
        return self.plain.filter(method="ppo").join(which, on=["rm_params", "pairs"], how="semi")

    @cached_property
    def rounds(self) -> pl.DataFrame:
        """The end of each run of k rounds of RLHF, of one proxy size and number of pairs, and what the formula says.

        Columns: `rounds, path, kl, gold, gold_se, gold_second, proxy, predicted, predicted_se, added, added_se`: `path` is
        the sum over rounds of sqrt(KL from where the round started), in sqrt(nats); `added` what the formula says rounds add
        to one round of that path; all are means over seeds. The formula has alpha and beta of PPO without rounds (paper,
        section 4.4). The row of one round is of those of its runs that came to the same distance; without any it is missing.
        """
        iterated, once = self.iterated, self.slice(ROUNDS, self.once)
        if iterated.is_empty() or once.curves.is_empty():
            return pl.DataFrame()
        fitted = once.fits["ppo", 1]
        rows = []
        for (rounds,), runs in iterated.group_by("rounds", maintain_order=True):
            ends = runs.sort("step").group_by("seed", "round", maintain_order=True).last()
            way = ends.with_columns(step_d=pl.coalesce("kl_round", "kl").sqrt())
            path = float(way.group_by("seed").agg(pl.col("step_d").sum())["step_d"].mean())  # type: ignore[arg-type]
            last = ends.filter(round=rounds)
            row = {"rounds": rounds, "path": path, "kl": float(last["kl"].to_numpy().mean())}
            row |= _over_seeds({name: _floats(last, name) for name in SHOWN})
            rows.append(row | _by_formula(fitted, path, rounds))
        path = float(np.mean([row["path"] for row in rows]))
        advancing = map(averages.advancing, once.curves.partition_by("record"))
        single = [run for run in advancing if run["place"][-1] >= path]
        if single:
            there = {name: averages.at_places(single, name, np.array([path]))[:, 0] for name in SHOWN}
            row = {"rounds": 1, "path": path, "kl": path**2} | _over_seeds(there)
            rows.append(row | _by_formula(fitted, path, 1))
        return pl.DataFrame(rows).sort("rounds")


def _commonest(curves: pl.DataFrame, *columns: str) -> dict[str, Any]:
    """The values of `columns` that most runs have; of equals the largest."""
    runs = curves.group_by(columns).agg(pl.col("record").n_unique().alias("runs"))
    return runs.sort("runs", *columns).select(columns).row(-1, named=True)


def _by_formula(law: Bootstrap, path: float, rounds: int) -> dict[str, float]:
    """Gold after `rounds` rounds that go `path` in all, and what of it rounds add, with standard errors."""
    every = np.vstack([[law.fit.alpha, law.fit.beta], law.coefficients])
    predicted = path * (every[:, 0] - every[:, 1] * math.log(path / rounds))
    added = path * every[:, 1] * math.log(rounds)
    known = len(every) > 2  # else there was nothing to draw from
    found: dict[str, float] = {}
    for name, values in {"predicted": predicted, "added": added}.items():
        found |= {name: float(values[0]), f"{name}_se": float(values[1:].std()) if known else math.nan}
    return found


def _floats(table: pl.DataFrame, name: str) -> np.ndarray:
    """A column, nan where a study has nothing there: without a second gold."""
    return table[name].cast(pl.Float64).fill_null(math.nan).to_numpy()


def _over_seeds(ends: dict[str, np.ndarray]) -> dict[str, float]:
    """Means over seeds, and the error of that of gold."""
    error = error_over_seeds(ends["gold"], ends["gold_se"])
    return {name: float(values.mean()) for name, values in ends.items()} | {"gold_se": float(error)}
