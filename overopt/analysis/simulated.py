"""Tables of a world whose answer is known, with the runs, the places and the noise of a study that was measured."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float64

from overopt.analysis.curves import prompt_curve
from overopt.analysis.evidence import Evidence
from overopt.analysis.known_worlds import Run, World
from overopt.analysis.results import Results
from overopt.estimators.uncertainty import standard_error
from overopt.util.seeds import derive

PROMPTS = 64  # simulated; the noise of each is made smaller, so that that of their mean is the study's
RESOLUTION = 60  # distances at which the spread over seeds is kept


@dataclass(frozen=True)
class Shape:
    """One measured curve as a simulation needs it: what it is of, its rows, and how prompts differ at each point.

    stretch: KL of each prompt over the mean; noise: each prompt's score minus the mean over prompts.
    """

    run: Run
    rows: pl.DataFrame
    stretch: Float64[np.ndarray, "points prompts"]
    noise: dict[str, Float64[np.ndarray, "points prompts"]]


@dataclass(frozen=True)
class Spread:
    """SD over seeds of a score at each distance, median over the groups of a study."""

    d: Float64[np.ndarray, " distances"]
    sd: Float64[np.ndarray, " distances"]

    def at(self, d: Float64[np.ndarray, " points"]) -> Float64[np.ndarray, " points"]:
        """Interpolated; the last one holds beyond."""
        return np.interp(d, self.d, self.sd)


class Simulator:
    """The runs of `results`, whose scores can be drawn from any world."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.evidence = Evidence(results)
        curves = self.evidence.curves.filter(pl.col("method").is_in(["bon", "ppo"]), pl.col("pairs") > 0)
        self.shapes = self._shapes(curves, results.by_prompt)
        far, far_by_prompt = results.far, results.far_by_prompt
        self.far = [] if far is None or far_by_prompt is None else self._shapes(far, far_by_prompt)
        self.spreads = {
            (method, score): self._spread(method, score)
            for method in ("bon", "ppo")
            for score in ("gold", "proxy")
        }
        cells = results.proxies.group_by("parameters", "pairs", "epochs", "label_noise")
        self.loss_sd = float(cells.agg(pl.col("validation_loss").std())["validation_loss"].median())  # type: ignore[arg-type]

    def draw(self, world: World, *, noise: float = 1.0, seed: int = 0) -> Results:
        """The study's tables as `world` would have made them, with `noise` times the study's own noise."""
        rng = np.random.default_rng(derive(seed, "known world", world.name, f"{noise:g}"))
        curves, by_prompt = self._tables(self.shapes, world, noise, rng)
        far, far_by_prompt = self._tables(self.far, world, noise, rng) if self.far else (None, None)
        return replace(
            self.results,
            curves=curves,
            by_prompt=by_prompt,
            far=far,
            far_by_prompt=far_by_prompt,
            verdicts=(),
        )

    def _shapes(self, curves: pl.DataFrame, by_prompt: pl.DataFrame) -> list[Shape]:
        sizes = np.log(self.evidence.plain["rm_params"].to_numpy())
        ends: dict[tuple[Any, ...], float] = {}
        shapes = []
        place = pl.coalesce("n", "step")
        for rows in curves.sort("round", maintain_order=True).partition_by("record", maintain_order=True):
            rows, first = rows.sort(place), rows.row(0, named=True)
            whole = (first["rm_params"], first["seed"], first["rounds"])
            if first["round"] > 1:
                rows = rows.with_columns(kl=pl.col("kl_round"))
            else:
                ends = {key: value for key, value in ends.items() if key[:3] != whole}
            kl = rows["kl"].to_numpy()
            if first["rounds"] > 1:
                ends[*whole, first["round"]] = math.sqrt(kl[-1])
            elif first["method"] == "ppo" and first["kl_penalty"] == 0:
                steps = rows["step"].to_numpy()
                rows = rows.with_columns(kl=kl.max() * (steps / steps[-1]) ** 2)
            run = Run(
                method=first["method"],
                size=float((math.log(first["rm_params"]) - sizes.min()) / (np.ptp(sizes) or 1.0)),
                policy=first["policy_params"] / self.evidence.policy_params,
                data=first["pairs"] / self.evidence.pairs,
                epochs=first["epochs"],
                penalty=first["kl_penalty"],
                gone=tuple(ends[*whole, k] for k in range(1, first["round"])),
            )
            points = prompt_curve(by_prompt, first["record"])
            mean = points["kl"].mean(axis=1, keepdims=True)
            stretch = np.where(mean > 0, points["kl"] / np.where(mean > 0, mean, 1.0), 1.0)
            noise = {
                name: points[name] - points[name].mean(axis=1, keepdims=True) for name in ("gold", "proxy")
            }
            shapes.append(Shape(run, rows, stretch, noise))
        return shapes

    def _spread(self, method: str, score: str) -> Spread:
        """From the curves by proxy size, where all seeds came."""
        found = []
        curves = self.evidence.sizes.curves.filter(method=method)
        runs_of = [part.partition_by("record") for part in curves.partition_by("rm_params")]
        reach = max((math.sqrt(run["kl"].max()) for runs in runs_of for run in runs), default=1.0)  # type: ignore[arg-type]
        d = np.linspace(0, reach, RESOLUTION)
        for runs in runs_of:
            if len(runs) < 2:
                continue
            sorted_runs = [run.sort("kl") for run in runs]
            values = np.array([np.interp(d, run["kl"].sqrt(), run[score]) for run in sorted_runs])
            common = d <= min(math.sqrt(run["kl"][-1]) for run in sorted_runs)
            # what prompts add is drawn by itself, and seeds share it: what differs between seeds is theirs
            found.append(np.where(common, values.std(axis=0, ddof=1), np.nan))
        if not found:
            return Spread(d, np.zeros(RESOLUTION))
        known = ~np.isnan(found).all(axis=0)
        return Spread(d[known], np.nanmedian(np.array(found)[:, known], axis=0))

    def _tables(
        self, shapes: list[Shape], world: World, noise: float, rng: np.random.Generator
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Curves and values by prompt: one set of prompts for all runs, each with a seed of its own."""
        measured = shapes[0].stretch.shape[1]
        prompts = min(PROMPTS, measured)
        drawn = rng.integers(measured, size=prompts)
        shrunk = noise * math.sqrt(prompts / measured)
        start = next(shape for shape in shapes if shape.run.method == "bon")
        # scores are centred at the base policy's mean over the prompts
        base = {name: float(start.noise[name][0, drawn].mean()) for name in start.noise}
        curves, columns = [], []
        for shape in shapes:
            kl = shape.rows["kl"].to_numpy()
            d = np.sqrt(kl)
            luck = dict(zip(shape.noise, rng.normal(size=2), strict=True))
            values = {}
            for name, mean in {"gold": world.gold, "proxy": world.proxy}.items():
                sd = self.spreads[shape.run.method, name].at(d)
                of_seed = noise * luck[name] * sd
                each = shrunk * (shape.noise[name][:, drawn] - base[name])
                values[name] = (mean(shape.run, d) + of_seed)[:, None] + each
            values["kl"] = kl[:, None] * np.maximum(1 + shrunk * (shape.stretch[:, drawn] - 1), 0.0)
            accuracy = world.accuracy(shape.run)
            loss = math.log(2) - (accuracy - 0.5) / 2 + noise * self.loss_sd * rng.normal()
            curves.append(
                shape.rows.with_columns(
                    *(pl.Series(name, value.mean(axis=1)) for name, value in values.items()),
                    *(pl.Series(f"{name}_se", standard_error(value)) for name, value in values.items()),
                    rm_accuracy=pl.lit(accuracy),
                    rm_loss=pl.lit(loss),
                    prompts=pl.lit(prompts),
                    gold_second=pl.lit(None, dtype=pl.Float64),
                    gold_second_se=pl.lit(None, dtype=pl.Float64),
                )
            )
            columns.append((shape.rows, values))
        return pl.concat(curves).with_columns(
            kl_round=pl.when(pl.col("kl_round").is_null()).then(None).otherwise(pl.col("kl"))
        ), _by_prompt(columns, prompts)


def _by_prompt(
    columns: list[tuple[pl.DataFrame, dict[str, Float64[np.ndarray, "_ prompts"]]]], prompts: int
) -> pl.DataFrame:
    places = pl.concat([rows.select("record", "n", "step") for rows, _ in columns])
    table = places.select(pl.all().repeat_by(prompts).explode())
    scores = {
        name: np.concatenate([values[name].ravel() for _, values in columns])
        for name in ("kl", "gold", "proxy")
    }
    return table.with_columns(prompt=np.tile(np.arange(prompts), places.height), **scores)
