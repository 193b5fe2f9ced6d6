"""`overopt bon` and `overopt fit`: the estimators on files, for people with their own scores."""

import json as jsonlib
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from overopt.estimators.curve_files import read_curves
from overopt.estimators.laws import LAWS, STATUSES, law_named
from overopt.estimators.tables import bon_table, ending_of, fit_curves, write_table


def bon_command(scores: Path, out: Path) -> None:
    """`overopt bon SCORES --out OUT`: write the best-of-n curves, whole or not at all, and say so."""
    ending_of(out)
    table = bon_table(scores)
    write_table(table, out)
    curves, largest = table["proxy_name"].n_unique(), table["n"].to_list()[-1]
    print(f"{out}: {table.height} points, {curves} curve{'s' if curves > 1 else ''}, n up to {largest}")


def fit_command(curves: Path, form: str, json: bool = False, centre: bool = False) -> None:
    """`overopt fit CURVES --form FORM [--json] [--centre]`: print the fits, as a table or as JSON.

    What was made of the file is said below the table, beside JSON on stderr.
    """
    law_named(form, "form")
    points = read_curves(curves)
    results = fit_curves(points, form, curves, centre=centre)
    if json:
        print(*points.notes, sep="\n", end="\n" if points.notes else "", file=sys.stderr)
        print(jsonlib.dumps(results, indent=2, allow_nan=False))
        return
    title = f"gold = {LAWS[form].label}, d = √KL; ± one standard error"
    table = Table(title=title, title_justify="left")
    for heading in ("proxy", "α", "β", "peak KL, nats", "peak gold", "points", "status"):
        table.add_column(heading, justify="left" if heading in ("proxy", "status") else "right")
    for row in results:
        table.add_row(
            Text(str(row["proxy_name"] or "-")),  # plain text: a name may hold rich's [markup]
            f"{_show(row['alpha'])} ± {_show(row['alpha_se'], 2)}",
            f"{_show(row['beta'])} ± {_show(row['beta_se'], 2)}",
            _show(row["peak_kl"]),
            _show(row["peak_gold"]),
            str(row["n_points"]),
            str(row["status"]),
        )
    console = Console(highlight=False)
    if not console.is_terminal:  # rich supposes 80 columns of a pipe and would fold the numbers
        console.width = 120
    console.print(table)
    for status in dict.fromkeys(str(row["status"]) for row in results):
        console.print(f"{status}: {STATUSES[status]}")
    for note in points.notes:
        console.print(Text(note), soft_wrap=True)


def _show(value: Any, digits: int = 4) -> str:
    return "-" if value is None else f"{value:.{digits}g}"
