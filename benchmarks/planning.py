"""`python -m benchmarks.planning`: how long a plan of 100,000 stages takes, and what a stage costs beside its work.

Writes planning.json beside this file.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

NAPS, NAP = 400, 0.05  # stages that only sleep, and for how many seconds
WIDTH = 40  # stages that need not wait for each other
FOUND = Path(__file__).with_name("planning.json")


def large_plan() -> dict[str, float]:
    """Plan the study `published` with far more pairs, epochs, penalties and seeds: stages, seconds, peak MB."""
    from overopt.engine.store import Store
    from overopt.plan.study_plan import plan
    from overopt.study.study import load_study, parse_study

    fields = load_study("published").model_dump(mode="json")
    models = [name for grid in fields["proxies"]["grids"] for name in grid["models"]]
    grid = {
        "models": sorted(set(models)),
        "pairs": [128, 250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000],
        "epochs": [1, 2, 4],
        "seeds": 78,
    }
    fields["proxies"]["grids"] = [grid]
    fields["ppo"]["grids"] = [{"grid": grid, "kl_penalties": [0, 0.01, 0.03, 0.06]}]
    study = parse_study(fields)
    started = time.perf_counter()
    graph = plan(study)
    planned = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        missing = len(Store(Path(folder)).unfinished(graph.stages))
    return {
        "stages": len(graph.stages),
        "missing": missing,
        "plan_seconds": round(planned, 2),
        "look_seconds": round(time.perf_counter() - started - planned, 2),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def nap(job: Any) -> None:
    """A stage that only sleeps."""
    time.sleep(job.spec["seconds"])
    (job.out / "done.txt").write_text("slept")


def overhead() -> dict[str, float]:
    """Run stages that sleep, two at a time: seconds of a worker that a stage takes beside its sleep."""
    from overopt.engine import runner
    from overopt.engine.plan import Plan
    from overopt.engine.stage import Stage
    from overopt.engine.store import Store

    with tempfile.TemporaryDirectory() as folder:
        runtime = replace(runner.make_runtime("cpu", workers=2), store=Path(folder))
        stages: list[Stage] = []
        for k in range(NAPS):
            parents = {"before": stages[k - WIDTH]} if k >= WIDTH else {}
            stages.append(Stage("nap", f"nap {k}", 1, {"seconds": NAP, "k": k}, parents, nap))
        started = time.perf_counter()
        graph = Plan("naps", tuple(stages))
        runner.run_stages(graph, stages, Store(runtime.store), runtime)
        whole = time.perf_counter() - started
    return {"stages": NAPS, "workers": 2, "overhead_seconds": round(2 * whole / NAPS - NAP, 3)}


def main() -> None:
    """Plan in a process of its own, whose memory is the plan's; then the runner."""
    if sys.argv[1:] == ["plan"]:
        print(json.dumps(large_plan()))
        return
    command = [sys.executable, "-m", "benchmarks.planning", "plan"]
    found = {
        "load": round(os.getloadavg()[0], 2),
        "plan": json.loads(subprocess.check_output(command)),
        "runner": overhead(),
    }
    FOUND.write_text(json.dumps(found, indent=1) + "\n")
    plan, run = found["plan"], found["runner"]
    print(f"load {found['load']}, cores {os.cpu_count()}")
    print(
        f"{plan['stages']:,} stages: planned in {plan['plan_seconds']:.1f} s, looked up in an empty store in "
        f"{plan['look_seconds']:.1f} s, {plan['peak_mb']} MB"
    )
    print(f"a stage costs {1000 * run['overhead_seconds']:.0f} ms of a worker beside its work")


if __name__ == "__main__":
    main()
