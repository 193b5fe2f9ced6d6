"""The command line: `overopt run | plan | status | verify | report | bon | fit | judge`; `overopt --version`."""

import json as jsonlib
import os
import shutil
import sys
import textwrap
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import FlagCreatePairsOff, Positional, arg

from overopt import __version__
from overopt.cli.stopping import STOPPED, exit_code, stoppable
from overopt.plan.core_speed import CORE_DRAWING_TFLOPS, CORE_TFLOPS
from overopt.util.errors import UserError

StudyName = Annotated[
    Positional[str], arg(metavar="STUDY", help="name of a study (laptop) or path of its YAML")
]
Device = Annotated[str, arg(help="auto (a GPU when there is one), cpu, cuda, cuda:1, mps")]
Workers = Annotated[int | None, arg(help="processes side by side; default: a worker a core, one on a GPU")]
NoRecompute = Annotated[bool, arg(help="refuse damaged results by name instead of computing them again")]
Recompute = Annotated[
    bool, FlagCreatePairsOff, arg(help="compute the study even where its tables are committed")
]
Batch = Annotated[int, arg(help="completions sampled or scored at once; does not change results")]

app = tyro.extras.SubcommandApp()


@app.command(name="run")
def run(
    study: StudyName,
    device: Device = "auto",
    workers: Workers = None,
    batch: Batch = 256,
    no_recompute: NoRecompute = False,
    stage: Annotated[str, arg(help="key of the one stage to compute; those it needs must be there")] = "",
) -> None:
    """Compute what is missing of a study. A run that was stopped goes on where it was."""
    from overopt import api
    from overopt.engine import runner
    from overopt.study.study import load_study

    spec, runtime = load_study(study), runner.make_runtime(device, workers, batch)
    if stage:
        print(f"stage {stage}: result in {api.run_stage(spec, stage, runtime)}")
        return
    folder = api.run(spec, runtime, recompute=not no_recompute)
    print(f"study {spec.name}: every stage is there; tables in {folder}")


@app.command(name="plan")
def plan(
    study: StudyName,
    json: Annotated[bool, arg(help="the graph as JSON")] = False,
    price: Annotated[bool, arg(help="what it costs at most, beside what was measured")] = False,
    tflops: Annotated[
        float, arg(help="for --price: 10^12 operations a second, reading and learning")
    ] = CORE_TFLOPS,
    drawing_tflops: Annotated[
        float, arg(help="for --price: the same while completions are drawn")
    ] = CORE_DRAWING_TFLOPS,
    batch: Batch = 256,
) -> None:
    """List the stages of a study, and which of them are already there; or what they cost."""
    from overopt.engine.record import RECORD
    from overopt.engine.store import Store, store_root
    from overopt.plan.study_plan import plan as make_plan
    from overopt.study.study import load_study

    graph, store = make_plan(load_study(study)), Store(store_root())
    if price:
        from overopt.plan.prices import price_table

        for name, value in {"tflops": tflops, "drawing-tflops": drawing_tflops, "batch": batch}.items():
            if not value > 0:
                raise UserError(f"{name}: found {value:g}, expected a positive number")
        rates = {"tflops": tflops, "drawing_tflops": drawing_tflops}
        print("\n".join(price_table(graph, store, batch=batch, **rates)))
        return
    problems = {stage.key: problem for stage in graph.stages if (problem := store.problem(stage))}
    if json:
        rows = [
            stage.identity
            | {"key": stage.key, "title": stage.title, "done": stage.key not in problems}
            | {"record": str((store.folder(stage) / RECORD).relative_to(store.root))}
            for stage in graph.stages
        ]
        print(jsonlib.dumps(rows, indent=1))
        return
    for stage in graph.stages:
        problem = problems.get(stage.key, "done")
        print(f"{problem if problem in ('missing', 'done') else 'damaged':8} {stage.key[:12]}  {stage.title}")
    print(f"{len(graph.stages) - len(problems)} of {len(graph.stages)} stages done")
    for problem in problems.values():
        if problem != "missing":
            print(f"{problem}; a run computes it again")


@app.command(name="status")
def status(study: StudyName) -> None:
    """Show the stages of a study: done, running, waiting; time spent and about how much is left."""
    from overopt.engine.status import study_status
    from overopt.engine.store import Store, store_root
    from overopt.plan.study_plan import plan as make_plan
    from overopt.study.study import load_study
    from overopt.util.words import clock, duration

    rows = study_status(make_plan(load_study(study)), Store(store_root()))
    print(_status_line("state", "spent", "left", "stage"))
    for row in rows:
        spent = clock(row.spent) if row.spent else ""
        left = "?" if row.left is None else clock(row.left) if row.left else ""
        title = row.title + (", goes on from what a stopped run kept" if row.kept else "")
        print(_status_line(row.state, spent, left, title))
    done, unknown = sum(row.state == "done" for row in rows), any(row.left is None for row in rows)
    print(
        _fitting(
            f"{done} of {len(rows)} stages done, {duration(sum(row.spent for row in rows))} of compute spent, "
            f"about {duration(sum(row.left or 0 for row in rows))} left"
            + (", stages marked ? not counted" if unknown else "")
        )
    )


def _status_line(state: str, spent: str, left: str, title: str) -> str:
    """One row of the table; a long title goes on below itself."""
    start = f"{state:7} {spent:>7} {left:>7}  "
    return _fitting(start + title, indent=len(start))


def _on_terminal() -> bool:
    return sys.stdout.isatty()


def _fitting(line: str, indent: int = 0) -> str:
    """On a terminal, a line broken between words, `indent` in front of what follows; else one line."""
    if not _on_terminal():
        return line
    width = max(shutil.get_terminal_size().columns, indent + 12)
    return textwrap.fill(line, width, subsequent_indent=" " * indent, break_on_hyphens=False)


@app.command(name="verify")
def verify() -> None:
    """Check every result and checkpoint in the store against its SHA-256; exit code 2 if one does not verify."""
    from overopt.engine.status import damaged, leftovers, results, size
    from overopt.engine.store import store_root

    root = store_root()
    problems, count = damaged(root), len(results(root))
    for problem in problems:
        print(problem)
    for left in leftovers(root):
        print(
            f"{left}: {size(left) / 1e6:.1f} MB of a run that was stopped, for the next one; may be deleted"
        )
    if problems:
        raise UserError(
            f"store {root}: found {len(problems)} damaged among {count} results and what stopped runs kept, expected "
            "none; a run that needs them computes them again"
        )
    print(f"store {root}: all {count} results verify")


@app.command(name="report")
def report(
    study: StudyName,
    device: Device = "auto",
    workers: Workers = None,
    batch: Batch = 256,
    no_recompute: NoRecompute = False,
    recompute: Recompute = False,
    publish: Annotated[bool, arg(help="also renew book/ and results/ (for maintainers)")] = False,
) -> None:
    """Build the book of a study, from its committed tables or else by running what is missing of it."""
    from overopt.util.paths import checkout

    checkout("report")
    try:
        from overopt import api
        from overopt.engine import runner
        from overopt.report.book import build
        from overopt.study.study import load_study
    except ModuleNotFoundError as error:
        raise UserError(
            f"report: found no module {error.name!r}, expected what the book is made with: make setup, or "
            'pip install ".[book]"'
        ) from error

    if recompute:
        os.environ[api.RECOMPUTE] = "1"  # the notebooks, which are processes of their own, must know as well
    if api.committed(load_study(study)) is None:
        runtime = runner.make_runtime(device, workers, batch)
        api.run(load_study(study), runtime, recompute=not no_recompute)
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
    from overopt.cli.estimates import bon_command

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
    from overopt.cli.estimates import fit_command

    fit_command(curves, form, json, centre)


@app.command(name="judge")
def judge(
    policies: Annotated[Positional[tuple[str, ...]], arg(metavar="POLICY", help="hub ids or folders")],
    base: Annotated[str, arg(help="the policy that all of them started from")],
    gold: Annotated[str, arg(help="a reward model (one logit) that judges")],
    prompts: Annotated[Path, arg(help="prompts: .txt (one a line), .jsonl or .parquet (field `prompt`)")],
    out: Annotated[Path, arg(help="CSV or parquet to write: `overopt fit` reads it")],
    proxy: Annotated[str | None, arg(help="the reward model that they were optimised against")] = None,
    samples: Annotated[int, arg(help="completions a prompt")] = 4,
    tokens: Annotated[int, arg(help="tokens of a completion, at most")] = 64,
    chat: Annotated[bool, arg(help="prompts are a user's turn of a chat")] = False,
    seed: Annotated[int, arg(help="of the samples")] = 0,
    device: Device = "auto",
    batch: Annotated[int, arg(help="completions at once; changes no result")] = 64,
) -> None:
    """Measure policies of your own: KL from where they began, gold and proxy score. One row a policy."""
    from overopt.cli.judge import judge_command

    judge_command(
        policies,
        base=base,
        gold=gold,
        prompts=prompts,
        out=out,
        proxy=proxy,
        samples=samples,
        tokens=tokens,
        chat=chat,
        seed=seed,
        device=device,
        batch=batch,
    )


def main() -> None:
    """Entry point: bad input is one sentence and exit code 2; a diverged training exits with 1."""
    if sys.argv[1:] == ["--version"]:
        print(f"overopt {__version__}")
        return
    # before torch is imported: threads that spin steal the core from the other workers
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        with stoppable():
            app.cli(prog="overopt", description=__doc__)
    except UserError as error:
        print(f"overopt: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        # whoever read the output has what they wanted (`overopt plan laptop | head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt as interrupt:
        print(STOPPED, file=sys.stderr)
        sys.exit(exit_code(interrupt))
    except Exception as error:
        # by name: importing it here would import torch for every --help
        if type(error).__name__ != "Diverged":
            raise
        print(f"overopt: {error}; nothing of this run is published", file=sys.stderr)
        sys.exit(1)
