"""`overopt errors`: what kind of error each proxy of a file of scores makes."""

import json as jsonlib
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from overopt.estimators.best_of_n import powers_of_two
from overopt.estimators.error_kinds import agreement, gold_by_quantile, proxy_spread
from overopt.estimators.score_files import read_scores
from overopt.estimators.tail_index import hill, proxy_error
from overopt.estimators.win_rate import win_rates
from overopt.util.errors import UserError
from overopt.util.slow_progress import SlowProgress


def errors_command(scores: Path, json: bool = False) -> None:
    """`overopt errors SCORES [--json]`: print what there is to say of each proxy, a row for each; JSON has all bands.

    Raises:
        UserError: as `read_scores`; if a prompt has a single sample.
    """
    waiting = SlowProgress()
    read = read_scores(scores, lambda rows: waiting.say(f"{scores}: read {rows:,} rows"))
    if read.fewest < 2:
        raise UserError(f"{scores}: found a prompt with a single sample, expected two or more of each")
    found = []
    for name, proxy in read.proxies.items():
        waiting.say(f"{scores}: errors of {name}")
        found.append({"proxy_name": name, **_of_proxy(proxy, read.gold)})
    if json:
        print(jsonlib.dumps(found, indent=2, allow_nan=False))
        return
    console = Console(highlight=False)
    if not console.is_terminal:  # as in `overopt fit`
        console.width = 120
    console.print(_table(found))
    console.print(
        "AUROC, accuracy: of a prompt's pairs that gold tells apart, ordered alike (ties half, ties wrong); within: share "
        "of the proxy's variance within prompts; wins: best of n against one sample, and what a perfect proxy would; top: "
        "gold in the proxy's highest band, and in the one below; tail: Hill index of the proxy's error (below 2: heavy)",
        soft_wrap=True,
    )


def _of_proxy(proxy: list[np.ndarray], gold: list[np.ndarray]) -> dict[str, Any]:
    n = powers_of_two(min(len(row) for row in proxy) - 1)[-1]
    try:
        tail: dict[str, Any] | None = asdict(hill(proxy_error(proxy, gold)))
    except UserError:  # too few samples, or no error: there is no tail
        tail = None
    return {
        "agreement": _plain(asdict(agreement(proxy, gold))),
        "spread": _plain(asdict(proxy_spread(proxy))),
        "win_rate": _plain(asdict(win_rates(proxy, gold, [n])[0])),
        "bands": [_plain(asdict(band)) for band in gold_by_quantile(proxy, gold)],
        "tail": tail,
    }


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    """JSON has no nan."""
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in fields.items()
    }


def _table(found: list[dict[str, Any]]) -> Table:
    table = Table()
    for heading in ("proxy", "AUROC", "accuracy", "within", "wins", "top, and below", "tail"):
        table.add_column(heading, justify="left" if heading == "proxy" else "right")
    for row in found:
        top, below = row["bands"][-1], row["bands"][-2] if len(row["bands"]) > 1 else None
        wins, tail = row["win_rate"], row["tail"]
        table.add_row(
            Text(row["proxy_name"]),
            f"{_show(row['agreement']['auroc'])} ± {_show(row['agreement']['auroc_se'])}",
            _show(row["agreement"]["accuracy"]),
            _show(row["spread"]["share"]),
            f"n = {wins['n']}: {_show(wins['rate'])} of {_show(wins['bound'])}",
            f"{_show(top['gold'])} from {top['low']:g}, {_show(below['gold'] if below else None)}",
            "-" if tail is None else f"{tail['alpha']:.2g} ± {tail['se']:.1g}",
        )
    return table


def _show(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
