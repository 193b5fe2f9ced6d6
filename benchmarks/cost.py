"""How cost grows: seconds and peak memory against samples, pairs, parameters, best-of-n samples and grid cells.

Each point is a process of its own, so that its peak memory is its own. `growth` is the slope of log seconds against
log size over the three largest sizes: 1 is linear.
"""

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.cases import COMPLETION, VOCABULARY, language_model, prompts
from benchmarks.measure import seconds
from overopt.estimators.best_of_n import best_of_n_curve, powers_of_two
from overopt.models.build import new_reward_model
from overopt.models.samples import Samples
from overopt.models.sampling import sample_many
from overopt.plan.prices import heights
from overopt.plan.study_plan import plan
from overopt.rewards.scoring import score
from overopt.study.parts import Shape
from overopt.study.study import load_study
from overopt.training.reward_model import train_reward_model

LINEAR = 1.15  # a growth up to this is called linear: timings scatter
SMALL = Shape(layers=1, width=24, heads=3)


def samples(count: int) -> Callable[[], object]:
    """Draw and score `count` completions, 256 a prompt."""
    policy, proxy = language_model(SMALL), new_reward_model(language_model(SMALL), 0).eval()
    draw = torch.Generator().manual_seed(0)
    return lambda: score(
        proxy, sample_many(policy, prompts(count // 256), 256, COMPLETION, generator=draw), batch=256
    )


def pairs(count: int) -> Callable[[], object]:
    """Train a proxy on `count` pairs."""
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(3, VOCABULARY, (2, count, COMPLETION), generator=draw)
    heads, whole = prompts(count), torch.ones(count, COMPLETION, dtype=torch.bool)
    first, second = (Samples(heads, side, whole) for side in ids)
    model, wins = new_reward_model(language_model(SMALL), 0), torch.rand(count, generator=draw) < 0.5
    options = {"batch": 64, "epochs": 1, "learning_rate": 1e-3, "embedding_gain": 1.0, "generator": draw}
    return lambda: train_reward_model(model, first, second, wins, **options)


def parameters(count: int) -> Callable[[], object]:
    """Draw and score 1,024 completions with models of about `count` parameters outside the embeddings."""
    width = round((count / 24) ** 0.5 / 4) * 4
    shape = Shape(layers=2, width=width, heads=4)
    policy, proxy = language_model(shape), new_reward_model(language_model(shape), 0).eval()
    draw = torch.Generator().manual_seed(0)
    return lambda: score(proxy, sample_many(policy, prompts(16), 64, COMPLETION, generator=draw), batch=256)


def best_of_n_samples(count: int) -> Callable[[], object]:
    """Best-of-n curves of one proxy over 64 prompts of `count` samples."""
    rng = np.random.default_rng(0)
    gold, proxy = rng.normal(size=(2, 64, count))
    ns = powers_of_two(count)
    return lambda: best_of_n_curve(proxy, gold, ns)


def grid_cells(count: int) -> Callable[[], object]:
    """Plan a study of `count` proxies, and order its stages."""
    study = load_study("laptop")
    grid = study.proxies.grids[0].model_copy(update={"seeds": count // len(study.proxies.models)})
    grown = study.model_copy(update={"proxies": study.proxies.model_copy(update={"grids": (grid,)})})
    return lambda: heights(plan(grown))


CASES: dict[str, tuple[Callable[[int], Callable[[], object]], list[int]]] = {
    "samples": (samples, [2_048, 8_192, 32_768, 131_072, 294_912]),
    "pairs": (pairs, [2_048, 8_192, 32_768]),
    "parameters": (parameters, [10_000, 100_000, 1_000_000, 4_000_000]),
    "best-of-n samples": (best_of_n_samples, [1_024, 8_192, 65_536]),
    "grid cells": (grid_cells, [40, 400, 4_000]),
}


def measure(case: str, size: int) -> dict[str, float]:
    """Seconds, and mebibytes that the work added to the peak memory of its process."""
    torch.set_num_threads(1)
    work = CASES[case][0](size)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    taken = seconds(work)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": round(taken, 4), "peak_mib": round((after - before) / 1024, 1)}


def growth(points: list[dict[str, float]]) -> float:
    """Slope of log seconds against log size over the three largest sizes."""
    last = points[-3:]
    return float(np.polyfit(np.log([p["size"] for p in last]), np.log([p["seconds"] for p in last]), 1)[0])


def main() -> None:
    """Measure every case, print a table, write cost.json beside this file."""
    found = []
    print(f"{'':18} {'size':>10} {'seconds':>9} {'MiB more':>9}")
    for case, (_, sizes) in CASES.items():
        points = []
        for size in sizes:
            command = [sys.executable, "-m", "benchmarks.cost", case, str(size)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            points.append({"size": size, **json.loads(done.stdout.splitlines()[-1])})
            print(
                f"{case:18} {size:10,} {points[-1]['seconds']:9.3f} {points[-1]['peak_mib']:9.1f}", flush=True
            )
        slope = growth(points)
        print(
            f"{case:18} {'linear or better' if slope <= LINEAR else 'MORE THAN LINEAR'}: time ~ size^{slope:.2f}"
        )
        found.append({"name": case, "growth": round(slope, 2), "points": points})
    Path(__file__).with_name("cost.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
    else:
        main()
