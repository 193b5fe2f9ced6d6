"""`overopt run | plan | status | verify | publish | report | bon | fit | errors | hedge | page | judge`."""

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

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
RefuseDamaged = Annotated[
    bool, FlagCreatePairsOff, arg(help="name damaged results and stop instead of computing them again")
]
Recompute = Annotated[
    bool,
    FlagCreatePairsOff,
    arg(help="from nothing: use no published stages and no committed tables, as with $OVEROPT_RECOMPUTE set"),
]
Reads = Annotated[
    str, arg(help="it reads prompt and completion as one text, a pair or a chat; auto: where that is clear")
]
Ends = Annotated[
    str,
    arg(help="finished completions end with eos or nothing; auto: as recorded with the model, else refused"),
]
WhichLogit = Annotated[
    str | None, arg(help="label of the logit that is the reward, or A-B for a difference; needed if several")
]
Batch = Annotated[int, arg(help="completions sampled or scored at once; does not change results")]

app = tyro.extras.SubcommandApp()


@app.command(name="run")
def run(
    study: StudyName,
    device: Device = "auto",
    workers: Workers = None,
    batch: Batch = 256,
    refuse_damaged: RefuseDamaged = False,
    recompute: Recompute = False,
    stage: Annotated[str, arg(help="key of the one stage to compute; those it needs must be there")] = "",
) -> None:
    """Compute what is missing of a study. A run that was stopped goes on where it was."""
    from overopt import api
    from overopt.engine import runner
    from overopt.study.study import load_study

    if recompute:
        _use_nothing_computed()
    spec, runtime = load_study(study), runner.make_runtime(device, workers, batch)
    if stage:
        print(f"stage {stage}: result in {api.run_stage(spec, stage, runtime)}")
        return
    folder = api.run(spec, runtime, refuse_damaged=refuse_damaged)
    print(f"study {spec.name}: every stage is there; tables in {folder}")


def _use_nothing_computed() -> None:
    """For workers and notebooks as well, which are processes of their own."""
    from overopt.engine.store import RECOMPUTE

    os.environ[RECOMPUTE] = "1"


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
    """List the stages of a study, and which of them are done or published with the package; or what they cost."""
    from overopt.cli.stages import plan_command, price_command

    if price:
        price_command(study, tflops=tflops, drawing_tflops=drawing_tflops, batch=batch)
    else:
        plan_command(study, json)


@app.command(name="status")
def status(study: StudyName) -> None:
    """Show the stages of a study: done, published, running, waiting; time spent and about how much is left."""
    from overopt.cli.stages import status_command

    status_command(study)


@app.command(name="verify")
def verify() -> None:
    """Check results and checkpoints in the store, and published stages, by SHA-256; exit code 2 if one does not verify."""
    from overopt.cli.stages import verify_command

    verify_command()


@app.command(name="publish")
def publish(
    study: StudyName,
    kind: Annotated[tuple[str, ...], arg(help="kinds of stages, as `overopt plan STUDY --json` names them")],
) -> None:
    """Put results of a study from the store into the package, for everybody to start from (for maintainers)."""
    from overopt.cli.publish import publish_command

    publish_command(study, kind)


@app.command(name="report")
def report(
    study: StudyName,
    device: Device = "auto",
    workers: Workers = None,
    batch: Batch = 256,
    refuse_damaged: RefuseDamaged = False,
    recompute: Recompute = False,
    publish: Annotated[
        bool, arg(help="also renew results/ and, of published, book/ (for maintainers)")
    ] = False,
    pdf: Annotated[bool, arg(help="also print the book as one PDF, where a Chromium is installed")] = False,
) -> None:
    """Build the book of a study, from its committed tables or else by running what is missing of it."""
    from overopt.util.paths import checkout

    checkout("report")
    try:
        from overopt import api
        from overopt.engine import runner
        from overopt.report.book import build
        from overopt.report.print_book import print_book
        from overopt.study.study import load_study
    except ModuleNotFoundError as error:
        raise UserError(
            f"report: found no module {error.name!r}, expected what the book is made with: make setup, or "
            'pip install ".[book]"'
        ) from error

    if recompute:
        _use_nothing_computed()
    if api.committed(load_study(study)) is None:
        runtime = runner.make_runtime(device, workers, batch)
        api.run(load_study(study), runtime, refuse_damaged=refuse_damaged)
    page = build(study, publish=publish)
    if pdf:
        print(f"The printed book is at {print_book(page.parent).as_uri()}")
    print(f"The report is at {page.resolve().as_uri()}")


@app.command(name="bon")
def bon(
    scores: Annotated[
        Positional[Path],
        arg(help="CSV, JSON(L) or parquet: prompt, gold, proxies, one row a sample; or one row a prompt"),
    ],
    out: Annotated[Path, arg(help="CSV or parquet to write")],
) -> None:
    """Best-of-n curves from your own scores."""
    from overopt.cli.estimates import bon_command

    bon_command(scores, out)


@app.command(name="fit")
def fit(
    curves: Annotated[
        Positional[Path],
        arg(help="CSV, JSON(L) or parquet: kl, gold, and if there gold_se, kl_se, proxy_name"),
    ],
    form: Annotated[str, arg(help="bon: d(alpha - beta d); rl: d(alpha - beta ln d); d = sqrt(kl)")],
    json: Annotated[bool, arg(help="print JSON instead of a table")] = False,
    centre: Annotated[bool, arg(help="subtract the gold at kl = 0 first: both laws are 0 there")] = False,
) -> None:
    """Fit a scaling law to curves: coefficients, peak, and whether to trust them."""
    from overopt.cli.estimates import fit_command

    fit_command(curves, form, json, centre)


@app.command(name="errors")
def errors(
    scores: Annotated[Positional[Path], arg(help="scores, in a file that `overopt bon` reads")],
    json: Annotated[bool, arg(help="print JSON instead of a table")] = False,
) -> None:
    """What kind of error each proxy makes: agreement with gold, spread, win rate, top tail, tail of its error."""
    from overopt.cli.errors import errors_command

    errors_command(scores, json)


@app.command(name="hedge")
def hedge(
    scores: Annotated[Positional[Path], arg(help="scores, in a file that `overopt bon` reads")],
    json: Annotated[bool, arg(help="print JSON instead of a table")] = False,
    seed: Annotated[int, arg(help="of folds, deals and intervals")] = 0,
) -> None:
    """How hard to optimise: the best n of best-of-n, soft best-of-n and best-of-Poisson, by gold on held-out prompts."""
    from overopt.cli.hedge import hedge_command

    hedge_command(scores, json, seed)


@app.command(name="page")
def page(
    scores: Annotated[
        Positional[Path],
        arg(
            help="CSV or parquet: scores as for `overopt bon`, or curves as `overopt bon` or `judge` writes them"
        ),
    ],
    out: Annotated[Path, arg(help="HTML to write: one file, read without a network")],
    form: Annotated[
        str, arg(help="bon or rl; by default bon where there is n, rl where there are policies")
    ] = "",
    png: Annotated[Path | None, arg(help="also write the picture as PNG")] = None,
    svg: Annotated[Path | None, arg(help="also write the picture as SVG")] = None,
) -> None:
    """A page on your own scores, curves or policies: whether the proxy is overoptimised, and where to stop."""
    from overopt.cli.page import page_command

    page_command(scores, out, form, png, svg)


@app.command(name="judge")
def judge(
    policies: Annotated[Positional[tuple[str, ...]], arg(metavar="POLICY", help="hub ids or folders")],
    base: Annotated[str, arg(help="the policy that all of them started from")],
    gold: Annotated[str, arg(help="a reward model that judges")],
    prompts: Annotated[Path, arg(help="prompts: .txt (one a line), or a table with a column `prompt`")],
    out: Annotated[Path, arg(help="CSV or parquet to write: `overopt fit` reads it")],
    proxy: Annotated[str | None, arg(help="the reward model that they were optimised against")] = None,
    samples: Annotated[int, arg(help="completions a prompt")] = 4,
    tokens: Annotated[int, arg(help="tokens of a completion, at most")] = 64,
    chat: Annotated[bool, arg(help="prompts are a user's turn of a chat")] = False,
    seed: Annotated[int, arg(help="of the samples")] = 0,
    device: Device = "auto",
    batch: Annotated[int, arg(help="completions at once; changes no result")] = 64,
    sampler: Annotated[
        Literal["transformers", "vllm"], arg(help="what draws; vllm, where installed, is faster on a GPU")
    ] = "transformers",
    gold_reads: Reads = "auto",
    gold_ends: Ends = "auto",
    gold_logit: WhichLogit = None,
    proxy_reads: Reads = "auto",
    proxy_ends: Ends = "auto",
    proxy_logit: WhichLogit = None,
) -> None:
    """Measure policies of your own: KL from where they began, gold and proxy score. One row a policy.

    What is measured is kept beside the table: a run that was stopped goes on where it was.
    """
    from overopt.cli.judge import HowRead, judge_command

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
        sampler=sampler,
        gold_read=HowRead(gold_reads, gold_ends, gold_logit),
        proxy_read=HowRead(proxy_reads, proxy_ends, proxy_logit),
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
