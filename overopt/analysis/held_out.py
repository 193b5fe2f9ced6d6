"""A method judged by choices that were made without what it is judged on.

The highest point of a noisy curve, and the best of several settings, are in part luck. So where to stop and which setting to
take is chosen on the other seeds, and on the other half of the prompts; the seed and the half left out say what gold is
there. Of a single seed the other half of its prompts alone chooses; of a single prompt nothing is left out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64

from overopt.analysis.method_runs import Run, Variant
from overopt.analysis.resampled import DRAWS
from overopt.estimators.uncertainty import shares_drawn
from overopt.util.seeds import derive

Values = Float64[np.ndarray, "seeds prompts"]
PLACES = 60  # at which a mean curve is looked at for its highest point
Aim = Literal["highest", "end"]  # what a setting is chosen by: gold where it is highest, or where a run ends


@dataclass(frozen=True)
class HeldOut:
    """What a method came to on each seed and prompt, by choices that others made (base-policy SDs, nats).

    seeds: of the rows; gold, kl: where it was stopped; end: gold at the last point of the run of the setting chosen, at
    whatever KL; settings: each that was chosen, and how often.
    """

    seeds: tuple[int, ...]
    gold: Values
    kl: Values
    end: Values
    settings: dict[str, int]
    chosen: tuple[tuple[Variant, Variant], ...]  # by seed: for either half of its prompts

    def at_kl(self, kl: float) -> Values:
        """Gold of the settings chosen where mean KL first came to `kl` (nats); nan where a run did not."""
        rows = []
        for seed, variants in zip(self.seeds, self.chosen, strict=True):
            both = [variant.runs[seed].gold_at_kl(kl) for variant in variants]
            rows.append(np.where(_half(len(both[0]), 0), both[0], both[1]))
        return np.array(rows)

    def fall(self) -> Values:
        """How far gold falls from where it was stopped to where the run ends."""
        return self.gold - self.end


def held_out(variants: Sequence[Variant], aim: Aim = "highest") -> HeldOut | None:
    """Judge each seed of some settings of a method; None where there are none.

    Args:
        variants: settings of one method, among which one is chosen for every seed that has it.
        aim: what is chosen by. With "end" nothing stops a run before its end.
    """
    seeds = tuple(sorted({seed for variant in variants for seed in variant.runs}))
    if not seeds:
        return None
    rows: dict[str, list[Any]] = {"gold": [], "kl": [], "end": []}
    settings: dict[str, int] = {}
    chosen = []
    for seed in seeds:
        there = [variant for variant in variants if seed in variant.runs]
        prompts = there[0].runs[seed].gold.shape[1]
        picked, found = [], []
        for half in (0, 1):
            variant, place = _choice(there, seed, ~_half(prompts, half) | (prompts == 1), aim)
            run = variant.runs[seed]
            found.append(run.at(place) | {"end": run.end["gold"]})
            settings[variant.setting] = settings.get(variant.setting, 0) + 1
            picked.append(variant)
        for name in rows:
            rows[name].append(np.asarray(np.where(_half(prompts, 0), found[0][name], found[1][name])))
        chosen.append((picked[0], picked[1]))
    arrays = {name: np.array(values) for name, values in rows.items()}
    return HeldOut(seeds, arrays["gold"], arrays["kl"], arrays["end"], settings, tuple(chosen))


def best_on_all(variants: Sequence[Variant]) -> Variant | None:
    """The setting whose mean curve over all seeds is highest: what is drawn, and nothing is judged by."""
    if not variants:
        return None
    return max(variants, key=lambda variant: _highest(list(variant.runs.values()), slice(None))[0])


def drawn(values: Values) -> tuple[float, Float64[np.ndarray, " draws"]]:
    """Mean of values by seed and prompt, and draws of it over both, with replacement; nan where a value is.

    Draws of few seeds differ less than seeds do, by (seeds - 1) / seeds of the variance: that is made good. The interval of
    three seeds that differ more than prompts do is still too short: it holds the truth about eight times in ten. All values
    of equally many prompts draw the same prompts.

    >>> mean, draws = drawn(np.array([[0.0, 0.0], [1.0, 1.0]]))
    >>> mean, round(float(draws.std()), 1)
    (0.5, 0.5)
    """
    seeds, prompts = values.shape
    mean = float(values.mean())
    if seeds == prompts == 1:
        return mean, np.full(DRAWS, math.nan)
    of_prompts = shares_drawn(
        prompts, draws=DRAWS, rng=np.random.default_rng(derive(0, "prompts", prompts, DRAWS))
    )
    of_seeds = shares_drawn(seeds, draws=DRAWS, rng=np.random.default_rng(derive(0, "held out", seeds)))
    centre = values.mean(axis=0)
    spread = values if seeds == 1 else centre + (values - centre) * math.sqrt(seeds / (seeds - 1))
    return mean, ((of_seeds @ spread) * of_prompts).sum(axis=1)


def paired(one: HeldOut, other: HeldOut, what: Literal["gold", "end"] = "gold") -> Values | None:
    """Gold of one method less that of another, a row a seed of the first; `what`: where stopped, or at the end.

    Seeds that both have are compared. A seed of an ensemble is compared with the mean of those of its members that the other
    has; where it has none of some ensemble's, all that it has are dealt out among the ensembles, so that none is left out on
    either side. None where there is nothing to compare.
    """
    there = dict(zip(other.seeds, getattr(other, what), strict=True))
    partners = _partners(one, other)
    rows = [
        values - np.mean([there[k] for k in partners[seed]], axis=0)
        for seed, values in zip(one.seeds, getattr(one, what), strict=True)
        if partners[seed]
    ]
    return np.array(rows) if rows else None


def _partners(one: HeldOut, other: HeldOut) -> dict[int, tuple[int, ...]]:
    """For each seed of one method the seeds of another that it is compared with."""
    of, known = one.chosen[0][0].method, other.seeds
    if of.members == other.chosen[0][0].method.members:
        return {seed: (seed,) if seed in known else () for seed in one.seeds}
    members = {seed: tuple(k for k in of.members_of(seed) if k in known) for seed in one.seeds}
    if all(members.values()):
        return members
    # in turn, and none twice unless they are too few: so seeds of both vary from row to row
    turns = range(len(one.seeds))
    return {one.seeds[k]: known[k :: len(turns)] or (known[k % len(known)],) for k in turns}


def _half(prompts: int, half: int) -> np.ndarray:
    """Which prompts are of a half: every second one."""
    return np.asarray(np.arange(prompts) % 2 == half)


def _choice(variants: Sequence[Variant], seed: int, by: np.ndarray, aim: Aim) -> tuple[Variant, float]:
    """The setting, and the place to stop at, that other seeds and the prompts `by` choose."""
    found = []
    for variant in variants:
        others = [run for k, run in variant.runs.items() if k != seed] or [variant.runs[seed]]
        if aim == "highest":
            gold, place = _highest(others, by)
        else:
            gold, place = float(np.mean([run.end["gold"][by].mean() for run in others])), math.inf
        found.append((gold, place, variant))
    _, place, best = max(found, key=lambda each: each[0])
    return best, place


def _highest(runs: Sequence[Run], by: np.ndarray | slice) -> tuple[float, float]:
    """The highest gold of the mean of runs on some prompts, as far as all of them came, and its place."""
    first = runs[0].place
    alike = all(len(run.place) == len(first) and np.allclose(run.place, first) for run in runs)
    grid = first if alike else np.linspace(0, min(float(run.place[-1]) for run in runs), PLACES)
    gold = np.mean([run.golds(grid)[:, by].mean(axis=1) for run in runs], axis=0)
    top = int(gold.argmax())
    return float(gold[top]), float(grid[top])
