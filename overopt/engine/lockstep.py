"""Run a study in several processes that compute every stage together: `accelerate launch -m overopt run STUDY`."""

import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from overopt.engine.checkpoint import ReadOnly
from overopt.engine.plan import Plan
from overopt.engine.record import read_record
from overopt.engine.stage import Job, Runtime, Stage
from overopt.engine.store import Store
from overopt.util import processes
from overopt.util.errors import UserError
from overopt.util.quiet import quiet_transformers


def run_together(plan: Plan, store: Store, runtime: Runtime, *, smallest_batch: int) -> Path:
    """Compute what is missing of `plan` in all processes that were launched together, one stage after another.

    Process 0 locks, writes and publishes; the others compute their share of every batch. `smallest_batch`: texts of the
    smallest batch that is learnt from.

    Raises:
        UserError: if there are more processes than texts in that batch, or as `run_stages`.
    """
    quiet_transformers()
    runtime = replace(runtime, device=processes.start(runtime.device), workers=1)
    torch.set_num_threads(1 if runtime.device == "cpu" else torch.get_num_threads())
    if processes.size() > smallest_batch:
        raise UserError(
            f"processes: found {processes.size()}, expected at most the {smallest_batch} texts of the study's smallest batch"
        )
    needless = store.needless(plan.stages) if processes.rank() == 0 else set()
    for k, stage in enumerate(plan.stages, 1):
        if stage.key in needless:
            processes.agreed(0)
        elif processes.rank() == 0:
            _write_together(stage, store, runtime, f"[{k}/{len(plan.stages)}]")
        elif processes.agreed(0):
            _help(stage, store, runtime)
    processes.wait()
    return store.path(plan.tables)


def _write_together(stage: Stage, store: Store, runtime: Runtime, count: str) -> None:
    """Process 0's part of a stage: it says to the others whether there is anything to do."""
    asked = False

    def with_the_others(job: Job) -> None:
        nonlocal asked
        asked = bool(processes.agreed(1))
        stage.run(job)
        processes.wait()

    folder = store.compute(replace(stage, run=with_the_others), runtime)
    if asked:
        seconds = read_record(folder)["seconds"]
        print(f"{count} {stage.title}: {seconds:.0f} seconds in {processes.size()} processes", flush=True)
    else:
        processes.agreed(0)


def _help(stage: Stage, store: Store, runtime: Runtime) -> None:
    """Any other process's part: the same function, whose files nobody keeps."""
    kept = ReadOnly(store.checkpoint_folder(stage))
    with tempfile.TemporaryDirectory() as out:
        stage.run(store.job(stage, Path(out), runtime, lambda done, total: None, kept))
        processes.wait()
