"""Run a study: every missing stage, in processes side by side, with progress on the terminal.

Small models are fastest with one thread a process and several processes; a GPU has one process.
"""

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

import torch

from overopt import together
from overopt.display import Display
from overopt.errors import UserError
from overopt.plan import Plan, plan
from overopt.pricing import price
from overopt.progress import read_progress
from overopt.rates import CORE_DRAWING_TFLOPS, CORE_TFLOPS
from overopt.record import read_record
from overopt.stage import Runtime, Stage
from overopt.store import Store, held, store_root
from overopt.study import Study

POLL_SECONDS = 0.5
STAGE_SECONDS = 1.0  # of a stage beside its models' work


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


def run(study: Study, runtime: Runtime | None = None, *, recompute: bool = True) -> Path:
    """Compute what is missing of `study` and return the folder of its tables.

    Damaged results are computed again, or refused where `recompute` is False.

    Raises:
        UserError: if the store cannot be used, a download fails, or a damaged result is refused.
        Diverged: if a training run's loss or KL is no longer finite.
    """
    runtime = runtime or make_runtime()
    graph, store = plan(study), Store(runtime.store)
    if together.launched():
        from overopt.run_together import run_together  # it needs what is below

        return run_together(graph, store, runtime)
    missing = store.unfinished(graph.stages)
    for stage in missing:
        problem = store.problem(stage)
        if problem != "missing":
            if not recompute:
                raise UserError(
                    f"result {stage.title!r}: {problem}; without --no-recompute it is computed again"
                )
            logging.getLogger("overopt").warning("%s; it is computed again", problem)
    if missing:
        run_stages(graph, missing, store, runtime)
    return store.path(graph.tables)


def run_stage(study: Study, key: str, runtime: Runtime) -> Path:
    """Compute one stage of `study`, whose parents are there, and return its folder: what a workflow engine calls.

    `key` is the stage's key, or so much of its start that no other stage of the study has it.

    Raises:
        UserError: if no stage or several have that key, or a parent's result is missing or does not verify.
        Diverged: if a training run's loss or KL is no longer finite.
    """
    graph, store = plan(study), Store(runtime.store)
    found = [stage for stage in graph.stages if stage.key.startswith(key)]
    if len(found) != 1:
        raise UserError(
            f"stage: found {len(found)} stages of study {study.name} whose key starts with {key!r}, expected one; "
            "`overopt plan --json` lists them"
        )
    if store.problem(found[0]):
        run_stages(Plan(study, tuple(found)), found, store, runtime)
    return store.path(found[0])


def heights(graph: Plan, batch: int = 256) -> dict[str, float]:
    """For each key, seconds that the longest chain of stages which begins there takes, predicted for one core each."""
    found: dict[str, float] = defaultdict(float)  # first of the stages that depend on it alone
    for stage in reversed(graph.stages):
        work = price(stage, batch).seconds(tflops=CORE_TFLOPS, drawing_tflops=CORE_DRAWING_TFLOPS)
        found[stage.key] += STAGE_SECONDS + work
        for parent in stage.parents.values():
            found[parent.key] = max(found[parent.key], found[stage.key])
    return found


def run_stages(graph: Plan, missing: list[Stage], store: Store, runtime: Runtime) -> None:
    """Compute the `missing` stages of `graph`, whose other stages are there, in processes side by side.

    Raises:
        UserError: if a stage is refused by the system, or a worker dies.
    """
    height = heights(graph, runtime.batch)
    # the longest chain first, so that nobody waits for it in the end; equals keep the order of the plan
    waiting = {stage.key: stage for stage in sorted(missing, key=lambda stage: -height[stage.key])}
    pending = set(waiting)  # waiting or running
    running: dict[Future[float | None], Stage] = {}
    # Read by OpenMP when a worker imports torch: threads that spin steal the core from the other worker.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Compiled bfloat16 products are kept for every shape of a batch: over a thousand of them, a gigabyte, by default.
    os.environ.setdefault("LRU_CACHE_CAPACITY", "64")
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
    # glibc gives large buffers back to the kernel after every use, which then fills each new page with zeros: a sixth
    # of the time of training goes into that.
    os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(2**30))
    os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(2**32))
    context = multiprocessing.get_context("spawn")
    with (
        Display(
            graph.study.name,
            total=len(graph.stages),
            done=len(graph.stages) - len(missing),
            workers=runtime.workers,
        ) as display,
        ProcessPoolExecutor(
            runtime.workers, context, initializer=_start_worker, initargs=(os.getpid(),)
        ) as pool,
    ):
        try:
            while waiting or running:
                for key, stage in list(waiting.items()):
                    ready = pending.isdisjoint(parent.key for parent in stage.parents.values())
                    if ready and len(running) < runtime.workers:
                        with _interrupts_for_this_process_alone():
                            future = pool.submit(_compute, stage, runtime)
                        running[future] = waiting.pop(key)
                finished, _ = wait(running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
                for future in finished:
                    seconds = future.result()
                    stage = running.pop(future)
                    pending.remove(stage.key)
                    display.finished(stage.title, seconds)
                seen = {stage.title: read_progress(store.work_folder(stage)) for stage in running.values()}
                display.update(seen, elsewhere=_of_other_processes(running.values(), store))
        except BrokenProcessPool as error:
            titles = ", ".join(stage.title for stage in running.values())
            raise UserError(
                f"study {graph.study.name}: a worker died while computing {titles} (out of memory, or killed); "
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
    quiet_transformers()


def quiet_transformers() -> None:
    """No progress bars for files that load in a moment, no advice that is meant for others."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()


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
