"""Compute stages in this process, one after another: for models that are loaded once and that many stages use."""

import shutil
import sys
from collections.abc import Mapping, Sequence

from filelock import FileLock, Timeout

from overopt.engine.lockstep import run_together
from overopt.engine.plan import Plan
from overopt.engine.stage import Runtime, Stage
from overopt.engine.store import Store
from overopt.engine.time_left import TimeLeft
from overopt.util import processes


def run_in_turn(
    stages: Sequence[Stage], store: Store, runtime: Runtime, *, name: str, groups: Mapping[str, str]
) -> None:
    """Compute those of `stages`, parents first, that are missing or damaged, with time left on stderr.

    Processes that were launched together compute every stage together. name: of all stages; groups: by the stages' keys,
    whatever several stages are about.

    Raises:
        UserError: if the store cannot be written, or what a stage refuses.
    """
    waiting = TimeLeft([stage for stage in stages if store.problem(stage)], groups)
    told = [waiting.during(stage) for stage in stages]
    if processes.launched():
        # a share of nothing is no fault here: no gradient is averaged over it
        run_together(Plan(name, tuple(told)), store, runtime, smallest_batch=sys.maxsize)
    else:
        for stage in told:
            store.compute(stage, runtime)
    if processes.rank() == 0:
        remove_halves(store)


def remove_halves(store: Store) -> None:
    """Remove unfinished results that killed processes left in `store`, also those that nobody will ask for again."""
    for work in sorted(store.root.glob("*/*.work")):
        try:
            with FileLock(work.with_name(f"{work.name}.lock"), timeout=0):
                shutil.rmtree(work, ignore_errors=True)
        except (Timeout, OSError):
            continue  # somebody computes it, or nobody may
