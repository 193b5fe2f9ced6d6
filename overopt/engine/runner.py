"""Run a plan: every missing stage, in processes side by side, with progress on the terminal.

Small models are fastest with one thread a process and several processes; a GPU has one process.
"""

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import torch

from overopt.engine.display import Display
from overopt.engine.plan import Plan
from overopt.engine.progress import read_progress
from overopt.engine.record import read_record
from overopt.engine.stage import Runtime, Stage
from overopt.engine.store import Store, held, store_root
from overopt.util.errors import UserError
from overopt.util.quiet import quiet_transformers

POLL_SECONDS = 0.5
WORKER_ENVIRONMENT = {
    # Read by OpenMP when a worker imports torch: threads that spin steal the core from the other worker.
    "OMP_WAIT_POLICY": "PASSIVE",
    "OMP_NUM_THREADS": "1",
    # Compiled bfloat16 products are kept for every shape of a batch: over a thousand of them, a gigabyte, by default.
    "LRU_CACHE_CAPACITY": "64",
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64",
    # glibc gives large buffers back to the kernel after every use, which then fills each new page with zeros: a sixth
    # of the time of training goes into that.
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**32),
}  # where nothing else is set


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def make_runtime(device: str = "auto", workers: int | None = None, batch: int = 256) -> Runtime:
    """How to run: a GPU when there is one (one worker), else the CPU with a worker a core.

    Raises:
        UserError: if the device is unknown or absent, or a count is below 1.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=device).item()  # a number must come back: `meta` holds none
    except (RuntimeError, AssertionError) as error:
        raise UserError(
            f"device: found {device!r}, expected auto, cpu or a GPU that torch can use"
        ) from error
    cores = available_cores()
    chosen = workers if workers is not None else (cores if device == "cpu" else 1)
    for name, value in {"workers": chosen, "batch": batch}.items():
        if value < 1:
            raise UserError(f"{name}: found {value}, expected at least 1")
    return Runtime(device=device, batch=batch, workers=chosen, store=store_root())


def run_plan(
    plan: Plan, store: Store, runtime: Runtime, *, priority: Mapping[str, float], refuse_damaged: bool = False
) -> Path:
    """Compute what is missing of `plan` and return the folder of its tables.

    Damaged results are computed again, or refused if `refuse_damaged`. priority: see `run_stages`.

    Raises:
        UserError: as `run_stages`, or if a damaged result is refused.
    """
    missing = store.unfinished(plan.stages)
    for stage in missing:
        problem = store.problem(stage)
        if problem != "missing":
            if refuse_damaged:
                raise UserError(
                    f"result {stage.title!r}: {problem}; without --refuse-damaged it is computed again"
                )
            logging.getLogger("overopt").warning("%s; it is computed again", problem)
    if missing:
        run_stages(plan, missing, store, runtime, priority)
    return store.path(plan.tables)


def run_one(plan: Plan, key: str, store: Store, runtime: Runtime) -> Path:
    """Compute the one stage of `plan` whose key starts with `key`, and return its folder. Its parents are there.

    Raises:
        UserError: if no stage or several have that key, or a parent's result is missing or does not verify.
    """
    found = [stage for stage in plan.stages if stage.key.startswith(key)]
    if len(found) != 1:
        raise UserError(
            f"stage: found {len(found)} stages of study {plan.name} whose key starts with {key!r}, expected one; "
            "`overopt plan --json` lists them"
        )
    if store.problem(found[0]):
        run_stages(Plan(plan.name, tuple(found)), found, store, runtime)
    return store.path(found[0])


def run_stages(
    plan: Plan,
    missing: list[Stage],
    store: Store,
    runtime: Runtime,
    priority: Mapping[str, float] | None = None,
) -> None:
    """Compute the `missing` stages of `plan`, whose other stages are there, in processes side by side.

    priority: by key; of the stages that can start, the one with the highest does, the first of the plan among equals.

    Raises:
        UserError: if a stage is refused by the system, or a worker dies.
    """
    for name, value in WORKER_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    quiet_transformers()
    queue, running = Queue(missing, priority or {}), dict[Future[float | None], Stage]()
    done = len(plan.stages) - len(missing)
    with (
        Display(plan.name, total=len(plan.stages), done=done, workers=runtime.workers) as display,
        _worker_pool(plan.name, runtime, running) as pool,
    ):
        while queue.unfinished:
            for stage in queue.start(runtime.workers - len(running)):
                with _interrupts_for_this_process_alone():
                    running[pool.submit(_compute, stage, runtime)] = stage
            finished, _ = wait(running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            for future in finished:
                seconds, stage = future.result(), running.pop(future)
                queue.finish(stage)
                display.finished(stage.title, seconds)
            seen = {stage.title: read_progress(store.work_folder(stage)) for stage in running.values()}
            display.update(seen, elsewhere=_of_other_processes(running.values(), store))


class Queue:
    """Stages that wait for others: which may start, the highest priority first, the order given among equals."""

    def __init__(self, stages: list[Stage], priority: Mapping[str, float]) -> None:
        ordered = sorted(stages, key=lambda stage: -priority.get(stage.key, 0.0))
        self._waiting = {stage.key: stage for stage in ordered}
        self.unfinished = {stage.key for stage in stages}

    def start(self, count: int) -> list[Stage]:
        """At most `count` stages whose parents are all finished; they wait no more."""
        able = (stage for stage in self._waiting.values() if self.unfinished.isdisjoint(_parent_keys(stage)))
        started = list(islice(able, count))
        for stage in started:
            del self._waiting[stage.key]
        return started

    def finish(self, stage: Stage) -> None:
        """What waits for `stage` waits for one less."""
        self.unfinished.remove(stage.key)


def _parent_keys(stage: Stage) -> list[str]:
    return [parent.key for parent in stage.parents.values()]


@contextmanager
def _worker_pool(
    name: str, runtime: Runtime, running: Mapping[Future[float | None], Stage]
) -> Iterator[ProcessPoolExecutor]:
    """Workers of one thread each, which end with the block whatever ends it.

    Raises:
        UserError: if one dies; `running` says what it may have computed.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(runtime.workers, context, _start_worker, (os.getpid(),)) as pool:
        try:
            yield pool
        except BrokenProcessPool as error:
            titles = ", ".join(stage.title for stage in running.values())
            raise UserError(
                f"study {name}: a worker died while computing {titles} (out of memory, or killed); "
                "what was finished is kept: run the same command again, with --workers 1 if memory was short"
            ) from error
        except BaseException:
            # leaving the pool waits for its workers: end them, their unfinished stages are computed anew
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _of_other_processes(stages: Iterable[Stage], store: Store) -> set[str]:
    """Titles of the stages that a worker here waits for, because another process computes them."""
    workers = {process.pid for process in multiprocessing.active_children()}
    found = set()
    for stage in stages:
        seen = read_progress(store.work_folder(stage))
        # a process that was killed may have left its progress, but holds no lock
        if seen and seen.pid not in workers and held(store.lock_file(stage)):
            found.add(stage.title)
    return found


@contextmanager
def _interrupts_for_this_process_alone() -> Iterator[None]:
    """A process that starts in this block never sees Ctrl-C, not even while it imports: its parent ends it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker(parent: int) -> None:
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()


def _end_with_parent(parent: int) -> None:
    """A run that is killed must not leave workers behind that nobody waits for."""
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    os._exit(1)


def _compute(stage: Stage, runtime: Runtime) -> float | None:
    """In a worker: compute one stage; seconds taken, None if another process computed it meanwhile."""
    store = Store(runtime.store)
    folder = store.compute(stage, runtime)
    return read_record(folder)["seconds"] if stage.key in store.computed else None
