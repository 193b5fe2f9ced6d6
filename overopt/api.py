"""A study, computed and read by one call each. Torch is imported where something is computed, and not before."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from overopt.analysis import results
from overopt.analysis.claims.verdicts import RULES
from overopt.analysis.results import Results
from overopt.engine.plan import Plan
from overopt.engine.record import read_record, verify_folder
from overopt.engine.stage import Runtime, Stage
from overopt.engine.store import RECOMPUTE, Store, store_root
from overopt.plan.prices import heights
from overopt.plan.study_plan import plan, rule_power, unruled, verdicts
from overopt.study.study import Study, load_study
from overopt.util.files import read_json
from overopt.util.paths import IN_CHECKOUT, ROOT

NOISE_OF = "published"  # the study whose runs and noise the rules are tried with
POWER_DRAWS = 12  # of every known world


def run(study: Study, runtime: Runtime | None = None, *, refuse_damaged: bool = False) -> Path:
    """Compute what is missing of `study` and return the folder of its tables.

    Damaged results are computed again, or refused if `refuse_damaged`. What is there already, in the store or published
    with the package, is not computed again; while `$OVEROPT_RECOMPUTE` is set, published stages are not used. A run that
    was stopped goes on where it was.

    Raises:
        UserError: if the store cannot be used, a download fails, or a damaged result is refused.
        Diverged: if a training run's loss or KL is no longer finite.

    >>> folder = run(load_study("smoke"))  # about a minute the first time
    >>> sorted(path.name for path in folder.glob("*curves.parquet"))
    ['curves.parquet']
    """
    from overopt.engine import runner
    from overopt.util import processes

    runtime = runtime or runner.make_runtime()
    made, store = plan(study), Store(runtime.store)
    if processes.launched():
        from overopt.engine.lockstep import run_together

        return run_together(made, store, runtime, smallest_batch=study.smallest_batch)
    # the longest chain of stages first, so that nobody waits for it in the end
    priority = heights(made, runtime.batch)
    return runner.run_plan(made, store, runtime, priority=priority, refuse_damaged=refuse_damaged)


def run_stage(study: Study, key: str, runtime: Runtime) -> Path:
    """Compute one stage of `study`, whose parents are there, and return its folder: what a workflow engine calls.

    `key` is the stage's key, or so much of its start that no other stage of the study has it.

    Raises:
        UserError: if no stage or several have that key, or a parent's result is missing or does not verify.
        Diverged: if a training run's loss or KL is no longer finite.
    """
    from overopt.engine.runner import run_one

    return run_one(plan(study), key, Store(runtime.store), runtime)


def load_results(study: str) -> Results:
    """The results of a study, by name or YAML path: those that are committed, or else what a run computes.

    Verdicts are by today's rules, whatever rules there were when the tables were computed.

    Raises:
        UserError: if the study is unknown or invalid, or its results cannot be computed.

    >>> results = load_results("smoke")
    >>> results.curves.filter(method="bon", n=1)["kl"].max()  # one row a point; KL in nats, gold in base-policy SDs
    0.0
    >>> len(results.verdicts)  # one for each claim of the paper
    20
    """
    spec = load_study(study)
    tables = committed(spec) or run(spec)
    judged = read_json(judge(spec, tables) / "verdicts.json")
    return replace(results.read(tables, spec), verdicts=judged)


def load_committed(study: str) -> Results | None:
    """`load_results` of a study whose tables are committed; None where they are not: nothing is computed.

    Raises:
        UserError: if the study is unknown or invalid.
    """
    return load_results(study) if committed(load_study(study)) else None


def judge(study: Study, tables: Path) -> Path:
    """The folder of the verdicts on the `tables` of `study` by today's rules: committed, or else computed in a second.

    Raises:
        UserError: if the store cannot be used, or the tables do not verify.
    """
    stage = plan(study).tables
    judged = verdicts(stage, RULES)
    there = _committed(ROOT / "results" / "verdicts" / study.name, judged)
    # of tables that are committed the store may know nothing
    store = Store(store_root(), elsewhere={stage.key: tables})
    return there or store.compute(judged, Runtime("cpu", batch=1, workers=1, store=store.root))


# what is asked of `NOISE_OF` when it is published, and belongs to no study: today's rules in known worlds, which takes some
# minutes, and gold without its rule on repetition
CHECKS: dict[str, Callable[[Plan], Stage]] = {
    "rule_power": lambda made: rule_power(made.tables, RULES, POWER_DRAWS),
    "unruled": unruled,
}


def check(name: str) -> Path:
    """The folder of one of `CHECKS`: committed, or else computed.

    Raises:
        UserError: if the store cannot be used, the tables of `NOISE_OF` cannot be had, or the store lacks its gold.
    """
    there = checked(name)
    if there:
        return there
    study = load_study(NOISE_OF)
    made, tables = plan(study), committed(study) or run(study)
    store = Store(store_root(), elsewhere={made.tables.key: tables})
    return store.compute(CHECKS[name](made), Runtime("cpu", batch=256, workers=1, store=store.root))


def checked(name: str) -> Path | None:
    """The folder of `check`, if it is committed and of the study and the rules as they are today."""
    return _committed(ROOT / "results" / name / NOISE_OF, CHECKS[name](plan(load_study(NOISE_OF))))


def committed(study: Study) -> Path | None:
    """The folder of `study` in `results/`, if its tables verify and are those of the study as it is today.

    Nothing is found while `$OVEROPT_RECOMPUTE` is set.
    """
    return _committed(ROOT / "results" / study.name, plan(study).tables)


def _committed(folder: Path, stage: Stage) -> Path | None:
    """`folder`, if it holds the result of `stage` and verifies."""
    if not IN_CHECKOUT or os.environ.get(RECOMPUTE) or verify_folder(folder) is not None:
        return None
    return folder if read_record(folder)["key"] == stage.key else None
