"""The study as it was measured before, by the same rules: which verdicts came out the same."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from overopt.analysis.claims.verdicts import RULES
from overopt.analysis.results import Results
from overopt.api import NOISE_OF
from overopt.engine.record import read_record, verify_folder
from overopt.util.files import read_json
from overopt.util.paths import IN_CHECKOUT, ROOT

FOLDER = ROOT / "results" / "earlier" / NOISE_OF
# They rest on proxies of every size at the main number of pairs, which both studies have with as many seeds and prompts.
PLANNED_ALIKE = (2, 3, 4, 5, 6, 12, 13, 15, 17, 18)
ALIKE, MORE = "alike", "more now"


def verdicts(study: str) -> Sequence[Mapping[str, Any]]:
    """What today's rules said of `study`, a name, as it was; none where that is not known, or its file does not verify."""
    if study != NOISE_OF or not IN_CHECKOUT or verify_folder(FOLDER) is not None:
        return []
    return read_json(FOLDER / "verdicts.json") if read_record(FOLDER)["spec"]["rules"] == RULES else []


def twice(results: Results) -> pl.DataFrame:
    """Both verdicts on every claim, checks of theorems left out; no row where the study was not measured before.

    Columns: `claim, text, runs` (whether they were planned alike), `before, now` (verdicts), and `number, number_before`
    with `_low, _high`, null where a verdict has none.
    """
    earlier = {entry["claim"]: entry for entry in verdicts(results.study.name)}
    rows = [
        {
            "claim": entry["claim"],
            "text": entry["text"],
            "runs": ALIKE if entry["claim"] in PLANNED_ALIKE else MORE,
        }
        | {"before": earlier[entry["claim"]]["verdict"], "now": entry["verdict"]}
        | _numbers("number_before", earlier[entry["claim"]])
        | _numbers("number", entry)
        for entry in results.verdicts
        if entry["claim"] in earlier and not entry["check"]
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def _numbers(name: str, entry: Mapping[str, Any]) -> dict[str, float | None]:
    """The statistic of a verdict and its interval, in columns."""
    low, high = entry["interval"] or (None, None)
    return {name: entry["statistic"], f"{name}_low": low, f"{name}_high": high}


def say_twice(found: pl.DataFrame) -> str:
    """How many verdicts came out otherwise, and which of them by chance alone (`twice`)."""
    if found.is_empty():
        return ""
    otherwise = pl.col("before") != pl.col("now")
    alike, changed = found.filter(pl.col("runs") == ALIKE), found.filter(otherwise).height
    apart = (pl.col("number_low") > pl.col("number_before_high")) | (
        pl.col("number_high") < pl.col("number_before_low")
    )
    by_chance, parted = _listed(alike.filter(otherwise)), _listed(alike.filter(apart))
    return (
        f"This study was measured once before: {changed} of {found.height} verdicts came out otherwise. Of {alike.height} "
        f"whose runs were planned alike chance alone changed {by_chance}, and put both intervals of {parted} wholly apart."
    )


def _listed(found: pl.DataFrame) -> str:
    """How many claims, and which."""
    return f"{found.height} ({', '.join(map(str, found['claim']))})" if found.height else "none"
