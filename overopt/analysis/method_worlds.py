"""Studies of every method in worlds whose answer is known: where the rules on methods are tried before any is measured.

Gold of a run is a curve that the world fixes, and noise: of the seed (a proxy is better or worse all along), of the
prompt, of both, and of each point.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float64

from overopt.analysis.method_runs import DIRECT, SELECTS
from overopt.analysis.results import Results
from overopt.util.seeds import derive

Distances = Float64[np.ndarray, " points"]
MEMBERS = 5
BON_SEEDS, TRAINED_SEEDS, JOINED_SEEDS = 10, 4, 2
PROMPTS = 64
BON_REACH, TRAINED_REACH = 2.4, 6.0  # sqrt(nats) to which runs go
PENALTIES = (0.01, 0.1)
BETAS = (0.05, 0.5)
PASSES = 4  # of direct alignment over its pairs
TEMPERATURES = ("tau 0.05", "tau 0.2", "tau 1")
NOISE = 0.25  # share of flipped labels of the other half of the study
SEED_SD, PROMPT_SD, BOTH_SD, POINT_SD = 0.06, 0.3, 0.3, 0.15  # base-policy SDs
_WHOLE = (pl.col("n").cast(pl.Int64), pl.col("step").cast(pl.Int64))


@dataclass(frozen=True)
class Arm:
    """What a curve is of: the columns of the curves table that tell curves apart."""

    method: str
    ensemble: str = "single"
    setting: str = ""
    penalty: float = 0.0
    label_noise: float = 0.0


@dataclass(frozen=True)
class MethodWorld:
    """says: what is so there, in words; gold: of an arm at each sqrt(KL), SDs; true: letters of the claims that are so."""

    name: str
    says: str
    gold: Callable[[Arm, Distances], Distances]
    true: frozenset[str]


def hump(d: Distances, alpha: float, beta: float) -> Distances:
    """d (alpha - beta d): best-of-n's law."""
    return d * (alpha - beta * d)


def rl_hump(d: Distances, alpha: float, beta: float) -> Distances:
    """d (alpha - beta ln d): RL's law."""
    return np.where(d > 0, d * (alpha - beta * np.log(np.maximum(d, 1e-9))), 0.0)


def turning(arm: Arm, d: Distances) -> Distances:
    """Every method overoptimises: gold turns by its law, whatever is joined or set; flipped labels make it half as good."""
    worse = 1 - 2 * arm.label_noise
    if arm.method in ("bon", "soft_bon"):
        return worse * hump(d, 1.0, 0.34)
    return worse * rl_hump(d, 0.8, 0.5)


def as_claimed(arm: Arm, d: Distances) -> Distances:
    """What others say of methods: joined proxies end the fall and gain, with flipped labels more; tempering ends it too."""
    worse = 1 - 2 * arm.label_noise
    kind = arm.ensemble.partition(" ")[0]
    conservative = kind in ("worst", "variance", "weights")
    gain = 0.25 * (kind == "weights") + (0.25 + arm.label_noise) * (kind != "single")
    if arm.method == "soft_bon":
        # with the middle temperature it stays at best-of-n's peak
        top = 1.0 / (2 * 0.34)
        held = hump(np.minimum(d, top), 1.0, 0.34)
        return held if arm.setting == TEMPERATURES[1] else turning(arm, d)
    if arm.method == "bon":
        if conservative:
            return (worse + gain) * 0.75 * (1 - np.exp(-2.0 * d))
        return turning(arm, d) * (1 + gain)
    if arm.method in DIRECT:
        return turning(arm, d)
    if conservative and arm.penalty:
        return (worse + gain) * 1.0 * (1 - np.exp(-d))
    return turning(arm, d) * (1 + gain)


def nothing_turns(arm: Arm, d: Distances) -> Distances:
    """Gold rises and levels off with every method alike; a penalty finds more of it, averaged weights less."""
    bent = 1.2 * (1 - np.exp(-0.8 * d))
    return bent * (
        1 + 0.5 * (arm.penalty > 0 and arm.method == "ppo") - 0.4 * arm.ensemble.startswith("weights")
    )


AS_CLAIMED = MethodWorld(
    "as claimed", "ensembles and tempering end the fall", as_claimed, frozenset("ABCDEF")
)
TURNING = MethodWorld("all turn", "every method's gold turns alike", turning, frozenset("DF"))
LEVEL = MethodWorld("none turns", "gold levels off; a penalty gains", nothing_turns, frozenset())
METHOD_WORLDS = (AS_CLAIMED, TURNING, LEVEL)


def arms() -> list[Arm]:
    """Every arm of the simulated study."""
    joins = ("single", "mean of 5", "worst of 5", "variance of 5, weight 0.5", "weights of 5")
    found = [Arm("bon", join, label_noise=noise) for join, noise in product(joins, (0.0, NOISE))]
    found += [Arm("ppo", join, penalty=p) for join, p in product(joins, (0.0, *PENALTIES))]
    found += [Arm("soft_bon", setting=setting) for setting in TEMPERATURES]
    found += [Arm(loss, penalty=beta) for loss, beta in product(("dpo", "ipo"), BETAS)]
    return found


def draw(world: MethodWorld, results: Results, *, seed: int = 0, noise: float = 1.0) -> Results:
    """The tables of a study of `arms` as `world` would make them, with `noise` times its noise.

    Args:
        world: what gold is.
        results: of any study: its policy's name and size, and everything that is no curve.
        seed: of the noise.
        noise: times the SDs above.
    """
    rng = np.random.default_rng(derive(seed, "method world", world.name, f"{noise:g}"))
    study = results.study
    policy = study.models[study.policy].parameters
    of_prompt = rng.normal(size=PROMPTS)
    of_seed = rng.normal(size=BON_SEEDS)
    # what best-of-n and its soft form choose from is the same samples, by the same scores
    pools: dict[tuple[Any, ...], Float64[np.ndarray, " prompts"]] = {}
    curves, by_prompt = [], []
    for arm in arms():
        for k in range(_seeds(arm)):
            members = range(MEMBERS * k, MEMBERS * (k + 1)) if arm.ensemble != "single" else (k,)
            luck = float(np.mean(of_seed[list(members)]))
            own = rng.normal(size=PROMPTS)
            if arm.method in SELECTS:
                own = pools.setdefault((arm.ensemble, arm.label_noise, k), own)
            spread = SEED_SD * luck + PROMPT_SD * of_prompt + BOTH_SD * own
            curve, points = _run(arm, k, policy, world, noise * spread, rng, noise)
            curves.append(curve)
            by_prompt.append(points)
    schema = results.curves.schema.items()
    template = {name: pl.Int64() if dtype.is_integer() else dtype for name, dtype in schema}
    template["setting"] = pl.String()
    table = pl.concat(curves, how="vertical_relaxed").with_columns(
        study=pl.lit(study.name), world=pl.lit(study.world)
    )
    lacking = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in template.items() if name not in table]
    table = table.with_columns(lacking).cast({name: template[name] for name in template})
    return replace(
        results,
        curves=table.select(*template),
        by_prompt=pl.concat(by_prompt, how="vertical_relaxed"),
        far=None,
        far_by_prompt=None,
        verdicts=(),
    )


def _seeds(arm: Arm) -> int:
    if arm.ensemble != "single":
        return JOINED_SEEDS
    return BON_SEEDS if arm.method == "bon" else TRAINED_SEEDS


def _run(
    arm: Arm,
    seed: int,
    policy: int,
    world: MethodWorld,
    spread: Float64[np.ndarray, " prompts"],
    rng: np.random.Generator,
    noise: float,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One run: its points, and the same by prompt; `spread`: how each prompt is off all along (SDs)."""
    selects = arm.method in SELECTS
    d = np.linspace(0, BON_REACH if selects else TRAINED_REACH * (0.9 + 0.2 * rng.random()), 16)
    away = 1 - np.exp(-d)  # the base policy is where every run starts
    points = noise * POINT_SD * rng.normal(size=(len(d), PROMPTS))
    gold = world.gold(arm, d)[:, None] + away[:, None] * (spread + points)
    gold -= gold[0]
    proxy = np.repeat((0.9 * d)[:, None], PROMPTS, axis=1)
    kl = np.repeat((d**2)[:, None], PROMPTS, axis=1)
    place = np.arange(len(d))
    identity: dict[str, Any] = {
        "record": f"{arm}-{seed}", "method": arm.method, "ensemble": arm.ensemble,
        "setting": arm.setting or None, "kl_penalty": arm.penalty, "label_noise": arm.label_noise,
        "seed": seed, "policy_params": policy, "rm_params": policy if arm.method in DIRECT else 10_000,
        "pairs": 5_000, "epochs": PASSES if arm.method in DIRECT else 1, "rounds": 1, "round": 1,
        "prompts": PROMPTS, "samples": 8,
        "rm_loss": 0.6, "rm_accuracy": 0.65, "kl_kind": "analytic" if selects else "exact", "kl_se": 0.0,
    }  # fmt: skip
    where = {"n": 2**place, "step": None} if selects else {"n": None, "step": 10 * place**2}
    columns = where | {"kl": kl, "gold": gold, "proxy": proxy}
    means = {
        name: value if value is None or value.ndim == 1 else value.mean(1) for name, value in columns.items()
    }
    errors = {
        f"{name}_se": value.std(1, ddof=1) / np.sqrt(PROMPTS)
        for name, value in (("gold", gold), ("proxy", proxy))
    }
    curve = (
        pl.DataFrame(means | errors)
        .with_columns(_WHOLE)
        .with_columns(**{k: pl.lit(v) for k, v in identity.items()})
    )
    long = {
        name: None if value is None else np.repeat(value, PROMPTS) if value.ndim == 1 else value.ravel()
        for name, value in columns.items()
    }
    rows = pl.DataFrame(long).with_columns(_WHOLE).with_columns(
        record=pl.lit(identity["record"]), prompt=pl.Series(np.tile(np.arange(PROMPTS), len(d)))
    )  # fmt: skip
    return curve, rows
