"""`overopt hedge`: how hard to optimise against each proxy of a file of scores."""

import json as jsonlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from overopt.estimators.hedging import Hedge, Interval, hedge
from overopt.estimators.score_files import read_scores
from overopt.util.slow_progress import SlowProgress


def hedge_command(scores: Path, json: bool = False, seed: int = 0) -> None:
    """`overopt hedge SCORES [--json] [--seed SEED]`: print the best setting of each method for each proxy."""
    waiting = SlowProgress()
    read = read_scores(scores, lambda rows: waiting.say(f"{scores}: read {rows:,} rows"))
    found: list[tuple[str, Hedge]] = []
    for name, proxy in read.proxies.items():
        rng = np.random.default_rng(seed)  # the same draws for every proxy: their gains differ by less
        best = hedge(proxy, read.gold, rng=rng, progress=lambda method: waiting.say(f"{scores}: {method}"))
        found += [(name, of_method) for of_method in best]
    if json:
        rows = [{"proxy_name": name, **asdict(of_method)} for name, of_method in found]
        print(jsonlib.dumps(rows, indent=2, allow_nan=False))
        return
    table = Table(title="the most gold on prompts held out; in brackets 95%", title_justify="left")
    for heading in ("proxy", "method", "n", "τ", "gold", f"more than best of {read.fewest}"):
        table.add_column(heading, justify="left" if heading in ("proxy", "method") else "right")
    for name, best_of in found:
        table.add_row(
            Text(name),
            best_of.method,
            f"{best_of.n:g} {_within(best_of.n_interval)}",
            "-" if best_of.tau is None else f"{best_of.tau:.3g}",
            f"{best_of.gold:.3g} {_within(best_of.gold_interval)}",
            f"{best_of.gain:.3g} {_within(best_of.gain_interval)}",
        )
    console = Console(highlight=False)
    if not console.is_terminal:  # as in `overopt fit`
        console.width = 120
    console.print(table)


def _within(interval: Interval) -> str:
    return f"\\[{interval[0]:.3g}, {interval[1]:.3g}]"
