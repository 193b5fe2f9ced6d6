"""The command line: `overopt run | plan | status | verify | report | bon | fit`."""

import json as jsonlib
import os
import sys
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional, arg

from overopt.errors import UserError

StudyName = Annotated[
    Positional[str], arg(metavar="STUDY", help="name of a study (laptop) or path of its YAML")
]
Device = Annotated[str, arg(help="auto (a GPU when there is one), cpu, cuda, cuda:1, mps")]
Workers = Annotated[int | None, arg(help="processes side by side; default: a worker a core, one on a GPU")]
NoRecompute = Annotated[bool, arg(help="refuse damaged results by name instead of computing them again")]
Batch = Annotated[int, arg(help="completions sampled or scored at once; does not change results")]

app = tyro.extras.SubcommandApp()


@app.command(name="run")
def run(
    study: StudyName,
    device: Device = "auto",
    workers: Workers = None,
    batch: Batch = 256,
    no_recompute: NoRecompute = False,
) -> None:
    """Compute what is missing of a study. A run that was stopped goes on where it was."""
    from overopt import runner
    from overopt.study import load_study

    spec = load_study(study)
    folder = runner.run(spec, runner.make_runtime(device, workers, batch), recompute=not no_recompute)
    print(f"study {spec.name}: every stage is there; tables in {folder}")


@app.command(name="plan")
def plan(study: StudyName, json: Annotated[bool, arg(help="the graph as JSON")] = False) -> None:
    """List the stages of a study, and which of them are already there."""
    from overopt import runner
    from overopt.plan import plan as make_plan
    from overopt.store import Store
    from overopt.study import load_study

    graph = make_plan(load_study(study))
    missing = {stage.key for stage in runner.unfinished(graph, Store(runner.store_root()))}
    if json:
        rows = [
            stage.identity | {"key": stage.key, "title": stage.title, "done": stage.key not in missing}
            for stage in graph.stages
        ]
        print(jsonlib.dumps(rows, indent=1))
        return
    for stage in graph.stages:
        print(f"{'missing' if stage.key in missing else 'done':8} {stage.key[:12]}  {stage.title}")
    print(f"{len(graph.stages) - len(missing)} of {len(graph.stages)} stages done")


@app.command(name="status")
def status(study: StudyName) -> None:
    """Show the stages of a study: done, running, waiting; time spent and about how much is left."""
    from overopt.pages import duration
    from overopt.plan import plan as make_plan
    from overopt.runner import store_root
    from overopt.status import study_status
    from overopt.store import Store
    from overopt.study import load_study

    rows = study_status(make_plan(load_study(study)), Store(store_root()))
    print(f"{'state':8} {'spent':>12} {'left':>12}  stage")
    for row in rows:
        spent = duration(row.spent) if row.spent else ""
        left = "?" if row.left is None else duration(row.left) if row.left else ""
        print(f"{row.state:8} {spent:>12} {left:>12}  {row.title}")
    unknown = any(row.left is None for row in rows)
    print(
        f"{sum(row.state == 'done' for row in rows)} of {len(rows)} stages done, {duration(sum(r.spent for r in rows))} "
        f"of compute spent, about {duration(sum(r.left or 0 for r in rows))} left"
        + (", stages marked ? not counted" if unknown else "")
    )


@app.command(name="verify")
def verify() -> None:
    """Check every result in the store against its record; exit code 2 if one does not verify."""
    from overopt.runner import store_root
    from overopt.status import damaged, results

    root = store_root()
    problems, count = damaged(root), len(results(root))
    for problem in problems:
        print(problem)
    if problems:
        raise UserError(
            f"store {root}: found {len(problems)} of {count} results damaged, expected none; "
            "the next run computes them again"
        )
    print(f"store {root}: all {count} results verify")


@app.command(name="report")
def report(
    study: StudyName,
    device: Device = "auto",
    workers: Workers = None,
    batch: Batch = 256,
    no_recompute: NoRecompute = False,
    publish: Annotated[bool, arg(help="also renew book/ and results/ (for maintainers)")] = False,
) -> None:
    """Run a study if need be and build its book."""
    from overopt import runner
    from overopt.report import build
    from overopt.study import load_study

    runtime = runner.make_runtime(device, workers, batch)
    runner.run(load_study(study), runtime, recompute=not no_recompute)
    page = build(study, publish=publish)
    print(f"The report is at {page.resolve().as_uri()}")


@app.command(name="bon")
def bon(
    scores: Annotated[
        Positional[Path],
        arg(help="CSV or parquet: prompt, gold, one or more proxy columns; one row a sample"),
    ],
    out: Annotated[Path, arg(help="CSV or parquet to write")],
) -> None:
    """Best-of-n curves from your own scores."""
    from overopt.scores import bon_command

    bon_command(scores, out)


@app.command(name="fit")
def fit(
    curves: Annotated[
        Positional[Path], arg(help="CSV or parquet: kl, gold, and if there gold_se and proxy_name")
    ],
    form: Annotated[str, arg(help="bon: d(alpha - beta d); rl: d(alpha - beta ln d); d = sqrt(kl)")],
    json: Annotated[bool, arg(help="print JSON instead of a table")] = False,
    centre: Annotated[bool, arg(help="subtract the gold at kl = 0 first: both laws are 0 there")] = False,
) -> None:
    """Fit a scaling law to curves: coefficients, peak, and whether to trust them."""
    from overopt.scores import fit_command

    fit_command(curves, form, json, centre)


def main() -> None:
    """Entry point: bad input is one sentence and exit code 2; a diverged training exits with 1."""
    # before torch is imported: threads that spin steal the core from the other workers
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app.cli(prog="overopt", description=__doc__)
    except UserError as error:
        print(f"overopt: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        # whoever read the output has what they wanted (`overopt plan laptop | head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        print(
            "overopt: stopped; what was finished is kept, the same command goes on from there",
            file=sys.stderr,
        )
        sys.exit(130)
    except Exception as error:
        # by name: importing it here would import torch for every --help
        if type(error).__name__ != "Diverged":
            raise
        print(f"overopt: {error}; nothing of this run is published", file=sys.stderr)
        sys.exit(1)
