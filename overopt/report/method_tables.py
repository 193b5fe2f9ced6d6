"""The table of what helps, and the cards of what others claim: theirs beside ours."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from overopt.analysis.claims.elsewhere import MethodClaim
from overopt.analysis.claims.outcome import Outcome
from overopt.analysis.claims.verdicts import Judged
from overopt.analysis.method_runs import WORDS, Method, MethodRuns
from overopt.analysis.what_helps import AT, OVER
from overopt.report.myst import escaped
from overopt.report.tables import Column, Table
from overopt.util.words import capital, number, short_number, with_interval

CAPTION = "Every method at the setting chosen for it on other seeds and prompts, with 95% intervals."
MARKS = {"holds": "●", "partly": "◐", "does not hold": "○", "cannot tell": "?", "not measured": "—"}
CLASSES = {"not measured": "cannot-tell"}  # of a card, where it is not the verdict's own


def _interval(title: str, name: str, digits: int = 2) -> Column:
    def cell(row: dict[str, Any]) -> str:
        ends = row[f"{name}_low"], row[f"{name}_high"]
        if row[name] is None or None in ends:
            return "—"
        # so many columns have no room for a value and its interval on one line
        return with_interval(row[name], *ends, digits).replace("\u00a0[", " [")

    return Column(title, cell)


def _named(row: dict[str, Any]) -> str:
    return f"{row['method']}: {row['setting']}" if row["setting"] else row["method"]


TABLES = {
    "tab-what-helps": Table(
        [
            Column("method: its setting", _named, "l"),
            Column("flipped", lambda row: f"{row['label_noise']:.0%}"),
            Column("seeds", lambda row: str(row["seeds"])),
            _interval("highest gold (SDs)", "gold"),
            _interval("KL there (nats)", "kl", 1),
            _interval(f"gold at {AT:g} nats", "at_ten"),
            _interval("γ", "gamma"),
            _interval("minus PPO (SDs)", "over_ppo"),
            _interval("minus best-of-n (SDs)", "over_bon"),
            Column("minutes", lambda row: number(row["minutes"], 1)),
        ],
        "*The study measured no method.*",
    ),
}


def _measured(runs: MethodRuns) -> list[Method]:
    """The methods of a study's tables, at any share of flipped labels."""
    return list(dict.fromkeys(method for noise in runs.noises() for method in runs.methods(noise)))


def has_newer(runs: MethodRuns) -> bool:
    """Whether any method is more than best-of-n and PPO with KL penalties."""
    return any(m.method not in ("bon", "ppo") or m.ensemble != "single" or m.kind for m in _measured(runs))


def say_measured(runs: MethodRuns) -> str:
    """Which methods the study's tables hold, and whether any is newer."""
    methods = _measured(runs)
    if not methods:
        return "The study's tables hold no method against a learned proxy."
    seen = f"proxies of {short_number(runs.rm_params)} parameters and {runs.pairs:,} pairs"
    if has_newer(runs):
        return f"The study's tables hold {len(methods)} methods against {seen}."
    names = [m.label.replace("PPO, KL penalty", "PPO with a KL penalty") for m in methods]
    listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return (
        f"The study's tables hold none of the newer methods. What follows is of {listed}, against {seen}. "
        "The study `methods` has newer ones."
    )


def say_helps(data: pl.DataFrame) -> str:
    """How many methods of `what_helps.table` surely reach more gold than the plain ones, a line a share of flipped labels.

    Shares with fewer than three methods, which compare nothing, have no line.
    """
    lines = []
    for (noise,), rows in data.group_by("label_noise", maintain_order=True) if data.height else ():
        labels = f"With {noise:.0%} of the labels flipped" if noise else "On labels as gold gave them"
        if rows.height > len(OVER):
            lines.append(f"- {labels}: {'; '.join(_above(rows, name) for name in OVER)}.")
    if not lines:
        return ""
    return "\n".join(
        [
            "How many methods surely reach more gold, at their highest, than the plain ones? Each is asked by itself; of "
            "forty such questions chance alone answers one with yes.",
            "",
            *lines,
        ]
    )


def _above(rows: pl.DataFrame, plain: str) -> str:
    """How many methods surely lie above a plain one; which, where they are half of them or fewer."""
    compared = rows.drop_nulls(f"over_{plain}_low")
    above = compared.filter(pl.col(f"over_{plain}_low") > 0)["method"].to_list()
    few = 0 < len(above) <= compared.height / 2
    listed = f" ({'; '.join(f'*{name}*' for name in above)})" if few else ""
    return f"{len(above) or 'none'} of {compared.height} more than plain {WORDS[plain]}{listed}"


def cards(judged: Sequence[Judged]) -> str:
    """A card for each claim: what others found, what was found here, and the rule, as MyST."""
    lines = ["::::{grid} 1 1 2 2", ":gutter: 2", ""]
    for item in judged:
        claim, outcome = item.claim, item.outcome
        assert isinstance(claim, MethodClaim)
        kind = CLASSES.get(outcome.verdict, outcome.verdict.replace(" ", "-"))
        lines += [
            f":::{{grid-item-card}} {MARKS[outcome.verdict]} {claim.letter}. {escaped(claim.text)}",
            f":class-card: oo-verdict oo-{kind}",
            "",
            f"**Theirs** ({claim.source}). {escaped(claim.theirs)}",
            "",
            f"**{_here(outcome)}** {escaped(capital(outcome.measured))}",
            "",
            f"*Rule.* {escaped(claim.rule)}",
            ":::",
            "",
        ]
    return "\n".join([*lines, "::::"])


def _here(outcome: Outcome) -> str:
    """The verdict; what was not measured says so itself."""
    return "Here." if outcome.verdict == "not measured" else f"Here: {outcome.verdict}."
