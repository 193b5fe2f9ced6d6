"""The tables of a page on a reader's own curves: coefficients beside the paper's, and every number that was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import polars as pl

from overopt.analysis.fit_shapes import known
from overopt.analysis.known_worlds import ALPHA_BON, BETA_BON, BETA_RL
from overopt.analysis.own_curves import OwnCurve
from overopt.estimators.laws import LAWS, Law
from overopt.report import inline_csv
from overopt.report.own_sentences import in_n
from overopt.util.words import number, with_interval, with_se

Row = tuple[list[str], str]  # the cells, and the class of the row
PAPER = (
    "The paper printed no coefficients. Those in its rows were read off its figures by a third party, for its smallest "
    "(3M parameters) and its largest proxy (3B), with gold in SDs of the initial policy; the peaks follow from them. Nobody "
    "read off α of RL."
)


def coefficients(curves: Sequence[OwnCurve]) -> str:
    """Alpha, beta and peak of each fitted law, with intervals, above the paper's, as an HTML table."""
    rows: list[Row] = []
    for curve in curves:
        fit, drawn = curve.law.fit, curve.law
        coefficients = (fit.alpha, drawn.alpha), (fit.beta, drawn.beta)
        peak = (fit.peak_kl, drawn.peak_kl), (fit.peak_gold, drawn.peak_gold)
        numbers = [_known(value, *interval) for value, interval in coefficients]
        # a peak that could lie anywhere over a decade of KL is none; without draws the status alone says how far to trust it
        shown = math.isnan(drawn.peak_kl[0]) or known(drawn.peak_kl)
        numbers += [_known(value, *interval) if shown else "—" for value, interval in peak]
        rows.append(([curve.name or "gold", *numbers, _status(curve)], ""))
    law = curves[0].law.fit.law
    rows += [([f"paper, {size}", *_paper(law, k), ""], "paper") for k, size in enumerate(("3M", "3B"))]
    units = ["", "/√nat", "/nat" if law is LAWS["bon"] else "/√nat", "nats", "", ""]
    heads = ["", "α", "β", "KL of the peak", "gold at the peak", "status"]
    sds = "SDs" if all(curve.in_sds for curve in curves) else "units of gold"
    units = [unit.replace("/", f"{sds}/") if unit else unit for unit in units]
    units[4] = sds
    return _table(
        [f"{head} ({unit})" if unit else head for head, unit in zip(heads, units, strict=True)], rows
    )


def _status(curve: OwnCurve) -> str:
    """The fit's status, or that its interval of beta holds 0, which is the plainer word for it."""
    low, high = curve.law.beta
    return "straight line, as far as β tells" if low <= 0 <= high else curve.law.fit.status.replace("_", " ")


def _known(value: float, low: float, high: float) -> str:
    return number(value) if math.isnan(low) or math.isnan(value) else with_interval(value, low, high)


def _paper(law: Law, k: int) -> list[str]:
    """Alpha, beta, and what follows from them, of the paper's smallest (0) or largest (1) proxy."""
    if law is not LAWS["bon"]:
        return ["—", number(BETA_RL[k], 3), "—", "—"]
    alpha, beta = ALPHA_BON[k], BETA_BON[k]
    return [number(alpha), number(beta), *(number(value) for value in law.peak(alpha, beta))]


def numbers(curves: Sequence[OwnCurve]) -> str:
    """Every measured point as an HTML table: KL, gold and proxy with standard errors."""
    named = any(curve.name for curve in curves)
    what = "n" if all(in_n(curve) for curve in curves) else "policy"
    unit = " (SDs)" if all(curve.in_sds for curve in curves) else ""
    heads = [what, "KL (nats)", f"gold{unit}", f"proxy{unit}"]
    rows: list[Row] = []
    for curve in curves:
        for point in curve.points.iter_rows(named=True):
            first = f"{point['n']:,g}" if what == "n" else point["label"] or "—"
            scores = [_score(point[name], point[f"{name}_se"]) for name in ("gold", "proxy")]
            cells = [first, number(point["kl"], 3), *scores]
            rows.append(([*cells, curve.name] if named else cells, ""))
    return _table([*heads, "proxy's name"] if named else heads, rows)


def _score(value: float | None, se: float | None) -> str:
    return number(value, 3) if se is None else with_se(value, se, 3)


def _table(heads: Sequence[str], rows: Sequence[Row]) -> str:
    """An HTML table that scrolls by itself where a page is narrow."""
    head = "".join(f'<th scope="col">{escape(one)}</th>' for one in heads)
    body = ""
    for cells, kind in rows:
        row = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        body += (f'<tr class="{kind}">' if kind else "<tr>") + row + "</tr>"
    return f'<div class="wide" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def csv_text(curves: Sequence[OwnCurve]) -> str:
    """What `numbers` shows, with all digits, as `overopt fit` reads it."""
    parts = [
        curve.points.select(
            pl.lit(curve.name).alias("proxy_name"), pl.all().exclude("below_top", "below_top_se")
        )
        for curve in curves
    ]
    table = pl.concat(parts)
    if not all(curve.name for curve in curves):
        table = table.drop("proxy_name")
    return table.write_csv()


def csv_link(curves: Sequence[OwnCurve], name: str) -> str:
    """A link that downloads the numbers as CSV."""
    return inline_csv.link(csv_text(curves), name, "Download as CSV")
