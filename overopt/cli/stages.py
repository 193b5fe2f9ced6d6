"""`overopt plan`, `status` and `verify`: which stages a study has, how far they are, and whether they can be trusted."""

import json as jsonlib
import shutil
import sys
import textwrap

from overopt.engine.published import PublishedStages
from overopt.engine.record import RECORD, result_folders
from overopt.engine.stage import Stage
from overopt.engine.store import Store, store_root
from overopt.plan.prices import price_table
from overopt.plan.study_plan import plan
from overopt.study.study import load_study
from overopt.util.errors import UserError
from overopt.util.words import clock, duration


def plan_command(study: str, json: bool = False) -> None:
    """`overopt plan STUDY [--json]`: every stage, and what there is of it."""
    graph, store = plan(load_study(study)), Store(store_root())
    needless = store.needless(graph.stages)
    states = {
        stage.key: "unneeded" if stage.key in needless else _state(stage, store) for stage in graph.stages
    }
    if json:
        print(jsonlib.dumps([_as_data(stage, states, store) for stage in graph.stages], indent=1))
        return
    for stage in graph.stages:
        print(f"{states[stage.key]:9} {stage.key[:12]}  {stage.title}")
    print(_count(list(states.values())))
    for stage in graph.stages:
        if states[stage.key] == "damaged":
            print(f"{store.problem(stage)}; a run computes it again")


def _state(stage: Stage, store: Store) -> str:
    problem = store.problem(stage)
    if problem is None:
        return "published" if store.is_published(stage) else "done"
    return problem if problem == "missing" else "damaged"


def _count(states: list[str]) -> str:
    published = states.count("published")
    more = f", {published} more published with the package" if published else ""
    unneeded = states.count("unneeded")
    without = f", {unneeded} that only those are made from not needed" if unneeded else ""
    return f"{states.count('done')} of {len(states)} stages done{more}{without}"


def _as_data(stage: Stage, states: dict[str, str], store: Store) -> dict[str, object]:
    """`record`: where it is or will be, below the store; of a published stage, which is elsewhere, the whole path."""
    state = states[stage.key]
    folder = store.path(stage) if state == "published" else store.folder(stage).relative_to(store.root)
    return stage.identity | {
        "key": stage.key,
        "title": stage.title,
        "done": state in ("done", "published"),
        "published": state == "published",
        "needed": state != "unneeded",
        "record": str(folder / RECORD),
    }


def price_command(study: str, *, tflops: float, drawing_tflops: float, batch: int) -> None:
    """`overopt plan STUDY --price`.

    Raises:
        UserError: if a number is not positive.
    """
    for name, value in {"tflops": tflops, "drawing-tflops": drawing_tflops, "batch": batch}.items():
        if not value > 0:
            raise UserError(f"{name}: found {value:g}, expected a positive number")
    rates = {"tflops": tflops, "drawing_tflops": drawing_tflops}
    print("\n".join(price_table(plan(load_study(study)), Store(store_root()), batch=batch, **rates)))


def status_command(study: str) -> None:
    """`overopt status STUDY`: a line a stage, and what all of them took and will take."""
    from overopt.engine.status import study_status  # torch comes with it

    graph = plan(load_study(study))
    rows = study_status(graph, Store(store_root()))
    print(_status_line("state", "spent", "left", "stage"))
    for row in rows:
        spent = clock(row.spent) if row.spent else ""
        left = "?" if row.left is None else clock(row.left) if row.left else ""
        title = row.title + (", goes on from what a stopped run kept" if row.kept else "")
        print(_status_line(row.state, spent, left, title))
    elsewhere = [row.spent for row in rows if row.state == "published"]
    spent_here = sum(row.spent for row in rows) - sum(elsewhere)
    print(
        _fitting(
            f"{_count([row.state for row in rows])}, {duration(spent_here)} of compute spent"
            + (f" beside {duration(sum(elsewhere))} where published stages were made" if elsewhere else "")
            + f", about {duration(sum(row.left or 0 for row in rows))} left"
            + (", stages marked ? not counted" if any(row.left is None for row in rows) else "")
        )
    )


def _status_line(state: str, spent: str, left: str, title: str) -> str:
    """One row of the table; a long title goes on below itself."""
    start = f"{state:9} {spent:>7} {left:>7}  "
    return _fitting(start + title, indent=len(start))


def _on_terminal() -> bool:
    return sys.stdout.isatty()


def _fitting(line: str, indent: int = 0) -> str:
    """On a terminal, a line broken between words, `indent` in front of what follows; else one line."""
    if not _on_terminal():
        return line
    width = max(shutil.get_terminal_size().columns, indent + 12)
    return textwrap.fill(line, width, subsequent_indent=" " * indent, break_on_hyphens=False)


def verify_command() -> None:
    """`overopt verify`: a line for whatever does not verify.

    Raises:
        UserError: if there is any, with how many.
    """
    from overopt.engine.status import damaged, leftovers, size  # torch comes with it

    root, published = store_root(), PublishedStages()
    problems, count = damaged(root), len(result_folders(root))
    for problem in [*problems, *(refused := published.damaged())]:
        print(problem)
    for left in leftovers(root):
        print(
            f"{left}: {size(left) / 1e6:.1f} MB of a run that was stopped, for the next one; may be deleted"
        )
    again = "a run that needs them computes them again"
    if problems:
        raise UserError(
            f"store {root}: found {len(problems)} damaged among {count} results and what stopped runs kept, expected "
            f"none; {again}"
        )
    print(f"store {root}: all {count} results verify")
    if refused:
        raise UserError(
            f"{published.root}: found {len(refused)} damaged published stages, expected none; {again}"
        )
    if folders := result_folders(published.root):
        print(f"{published.root}: all {len(folders)} published stages verify")
