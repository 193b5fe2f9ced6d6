"""What stands on the page of what helps, from simulated tables and from those of a study without new methods."""

import ast
import base64
import csv
import io
import json
import re
from dataclasses import replace

import fake_evidence
import polars as pl
import pytest

from overopt import api
from overopt.analysis import method_worlds, what_helps
from overopt.analysis.evidence import Evidence
from overopt.analysis.method_runs import MethodRuns
from overopt.analysis.method_worlds import AS_CLAIMED
from overopt.report import charts, figures, method_tables, tables
from overopt.util.paths import ROOT


@pytest.fixture(scope="module")
def plain():
    return replace(fake_evidence.evidence().results, record=fake_evidence.RECORD)


@pytest.fixture(scope="module")
def drawn(plain):
    return method_worlds.draw(AS_CLAIMED, plain)


def outputs(monkeypatch, results):
    """What the cells of the page put out, of these results."""
    monkeypatch.setattr(api, "load_results", lambda study: results)
    cells = json.loads((ROOT / "notebooks" / "09_what_helps.ipynb").read_text(encoding="utf-8"))["cells"]
    names, shown = {}, []
    for code in ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"):
        *statements, last = ast.parse(code).body
        exec(compile(ast.Module(statements, []), "page", "exec"), names)
        if isinstance(last, ast.Expr):
            shown.append(eval(compile(ast.Expression(last.value), "page", "eval"), names))
        else:
            exec(compile(ast.Module([last], []), "page", "exec"), names)
    return [output for output in shown if output is not None]


def test_the_page_of_a_study_with_every_method_is_complete(monkeypatch, drawn):
    said, figure, short, table, cards, _ = outputs(monkeypatch, drawn)
    assert (
        said.data == "The study's tables hold 18 methods against proxies of 10k parameters and 5,000 pairs."
    )
    ends = figure.to_dict()
    named = {row["group"] for rows in ends["datasets"].values() for row in rows if "group" in row}
    assert named == {method.label for method in MethodRuns(drawn).methods()}
    assert (
        table.data.count("\n| ") == 2 + 18 + 5
    )  # titles, their line, methods on clean labels and on flipped ones
    assert "\n- On labels as gold gave them: " in short.data
    assert cards.data.count("grid-item-card") == 6
    assert cards.data.count("**Here: holds.**") >= 5
    assert "Not measured" not in cards.data


def test_the_page_of_a_study_without_them_says_so_in_a_sentence(monkeypatch, plain):
    said, figure, table, cards, _ = outputs(monkeypatch, plain)
    assert said.data.startswith(
        "The study's tables hold none of the newer methods. What follows is of best-of-n and PPO,"
    )
    assert said.data.endswith("The study `methods` has newer ones.")
    assert figure.to_dict()["description"]
    assert "minus best-of-n (SDs)" in table.data
    assert table.data.count("\n| ") == 4
    assert cards.data.count("**Here.** Not measured in this study") == 6


def test_what_was_measured_in_words(plain):
    nothing = replace(plain, curves=plain.curves.clear())
    assert "no method" in method_tables.say_measured(MethodRuns(nothing))
    penalised = plain.curves.with_columns(
        kl_penalty=pl.when((pl.col("method") == "ppo") & (pl.col("seed") == 1)).then(0.1).otherwise(0.0)
    )
    said = method_tables.say_measured(MethodRuns(replace(plain, curves=penalised)))
    assert "of best-of-n, PPO and PPO with a KL penalty, against" in said


def test_a_cell_without_a_number_is_a_dash(drawn):
    table = what_helps.table(Evidence(drawn).method_runs, drawn)
    cells = method_tables.TABLES["tab-what-helps"].cells(table)
    shown = {row[0]: row for row in reversed(cells)}  # on clean labels, which stand first
    assert shown["PPO"][7] == "—"  # less itself
    assert shown["best-of-n"][5] == "—"  # at ten nats
    (dpo,) = [row for row in cells if row[0].startswith("DPO: β 0.") and row[1] == "0%"]
    assert dpo[6] == "—"  # gamma
    assert "None" not in str(cells)
    assert "nan" not in str(cells)
    empty = tables.as_myst(method_tables.TABLES["tab-what-helps"], "tab-what-helps", pl.DataFrame(), "x")
    assert empty == "*The study measured no method.*"


def test_methods_that_surely_reach_more_are_counted_and_few_are_named():
    ends = {"over_ppo_low": [0.1, -0.1, None, 0.2], "over_bon_low": [-0.3, None, None, 0.1]}
    names = {"method": ["a, b", "c", "PPO", "d"], "label_noise": [0.0, 0.0, 0.0, 0.25]}
    said = method_tables.say_helps(pl.DataFrame(names | ends)).splitlines()
    assert said[2:] == [
        "- On labels as gold gave them: 1 of 2 more than plain PPO (*a, b*); none of 1 more than plain best-of-n."
    ]
    many = pl.DataFrame(
        {"method": ["a", "b", "c"], "label_noise": 0.25, "over_ppo_low": 0.1, "over_bon_low": -0.1}
    )
    assert method_tables.say_helps(many).endswith(
        "- With 25% of the labels flipped: 3 of 3 more than plain PPO; none of 3 more than plain best-of-n."
    )
    assert method_tables.say_helps(pl.DataFrame()) == ""


def test_the_figure_names_every_line_and_is_drawn(drawn):
    spec = figures.methods(what_helps.curves(MethodRuns(drawn)), description="Every method.").to_dict()
    for width in (charts.WIDE, charts.NARROW):
        svg = charts.static_svg(spec, width, "x-")
        for method in MethodRuns(drawn).methods():
            assert f">{method.label}</text>" in svg, method.label
        assert "NaN" not in svg
    families = {method.family for method in MethodRuns(drawn).methods()}
    assert [view["title"] for view in spec["concat"]] == [
        "Choice among samples",
        "Training against one proxy",
        "Training against several proxies",
        "Training on pairs, without a proxy",
    ]
    assert len(families) == 4
    assert [param["select"]["fields"] for param in spec["params"]] == [["group"]] * 4
    assert len({param["name"] for param in spec["params"]}) == 4


def test_the_table_that_readers_download_has_every_line(drawn):
    curves = what_helps.curves(MethodRuns(drawn))
    page = charts.page_html(figures.methods(curves, description="Every method.").to_dict())
    table = base64.b64decode(re.search(r"base64,([^\"]+)", page)[1]).decode()
    rows = list(csv.DictReader(io.StringIO(table)))
    assert len(rows) == curves.height
    assert {row["group"] for row in rows} == {method.label for method in MethodRuns(drawn).methods()}
