"""What notebooks print around their story."""

import ast
import json
from dataclasses import replace

import fake_evidence
import polars as pl
import pytest
from IPython.display import Markdown

from overopt import api
from overopt.analysis.evidence import Evidence
from overopt.report import book, figures, pages, tables
from overopt.study.study import load_study
from overopt.util.paths import ROOT

NAMES = sorted(path.stem for path in book.notebook_sources())
ABSENT = {
    "00_chain": 2,
    "01_gold_vs_optimisation": 4,
    "02_functional_forms": 2,
    "03_model_data_policy_scale": 12,
    "04_kl_penalty": 3,
    "05_goodhart_and_implications": 2,
    "07_kl_efficiency": 1,
    "08_other_models": 5,
    "10_without_gold": 1,
}


def outputs(name):
    """What each cell of code of a page puts out, run here."""
    cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    names = {}
    for code in ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"):
        *statements, last = ast.parse(code).body
        exec(compile(ast.Module(statements, []), name, "exec"), names)
        if isinstance(last, ast.Expr):
            yield eval(compile(ast.Expression(last.value), name, "eval"), names)
        else:
            exec(compile(ast.Module([last], []), name, "exec"), names)


def words(output):
    return getattr(output, "data", None) if isinstance(getattr(output, "data", None), str) else ""


@pytest.fixture(scope="module")
def poor():
    """The published results cut down to two proxy sizes, without pairs, policies, penalties, rounds and second gold."""
    full = api.load_results("published")
    evidence = Evidence(full)
    sizes = evidence.sizes.by.values(evidence.sizes.of("ppo"))[:2]
    policy = evidence.plain["policy_params"][0]
    curves = full.curves.filter(
        (pl.col("rm_params").is_in(sizes) & (pl.col("pairs") == evidence.pairs)) | (pl.col("pairs") == 0),
        pl.col("epochs") < 2,
        kl_penalty=0.0,
        rounds=1,
        policy_params=policy,
    ).with_columns(gold_second=pl.lit(None, dtype=pl.Float64))
    shown = pl.col("record").is_in(curves["record"].unique().to_list())
    parts = {"by_prompt": full.by_prompt.filter(shown), "texts": full.texts.filter(shown)}
    chain = {name: part for name, part in full.chain.items() if name != "second_gold"}
    return replace(full, curves=curves, chain=chain, far=None, far_by_prompt=None, sweep=None, **parts)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_says_what_a_study_did_not_measure(monkeypatch, poor, name):
    monkeypatch.setattr(api, "load_results", lambda study: poor)
    monkeypatch.setattr(api, "committed", lambda study: None)
    shown = list(outputs(name))
    assert not [output for output in shown if isinstance(output, Markdown) and not output.data.strip()]
    printed = [words(output) for output in shown]
    missing = [
        text
        for text in printed
        if "did not measure" in text or "no second gold" in text or "not in this" in text
    ]
    assert len(missing) == ABSENT.get(name, 0), missing


@pytest.mark.parametrize("name", ["00_chain", "07_kl_efficiency", "08_other_models"])
def test_the_committed_page_has_the_words_that_its_notebook_prints(name):
    """Run `overopt report published --publish` where this fails."""
    executed = json.loads((ROOT / "book" / f"{name}.ipynb").read_text(encoding="utf-8"))
    kept = [output for cell in executed["cells"] for output in cell.get("outputs", [])]
    shown = ["".join(output["data"].get("text/markdown", "")) for output in kept]
    printed = [words(output) for output in outputs(name) if isinstance(output, Markdown)]
    assert [text for text in printed if text] == [text for text in shown if text]


def test_a_figure_of_too_few_rows_is_a_sentence(poor):
    page, data = pages.Page(poor, "index"), pl.DataFrame({"kl": [1.0]})
    assert page.figure(lambda data, word, more: (data, word, more), data, "x", more=1) == (data, "x", 1)
    absent = page.figure(lambda data: data, data, least=2).data
    assert absent.endswith("did not measure what this figure shows.</p>")  # `published` is this study
    assert (
        "<code>laptop</code> does" in page.figure(lambda data: data, data, least=2, measured_by="laptop").data
    )
    assert "<code>mine</code>" in page.gold_and_proxy(None, "bon", description="", measured_by="mine").data


def test_a_table_has_a_title_and_a_place_for_every_cell():
    data = pl.DataFrame(
        {
            "method": ["ppo"] * 2,
            "tex": ["d", "d^2"],
            "own": [True, False],
            "misfit": [0.05, 0.1],
            "error": [0.126, 1],
        }
    )
    lines = tables.printed("tab-forms", data, "Errors.").splitlines()
    assert lines == [
        ":::{table} Errors.",
        ":name: tab-forms",
        "",
        "| method | form | misfit, % of gold's range | held-out error (SDs) |",
        "| :--- | :--- | ---: | ---: |",
        "| PPO | $d$ (the paper's) | 5.0 | 0.13 |",
        "| PPO | $d^2$ | 10.0 | 1.00 |",
        ":::",
    ]
    absent = "*The study did not measure KL penalties; the study `published` does.*"
    assert tables.printed("tab-penalty", pl.DataFrame(), "Ends.", study="laptop") == absent
    own = tables.printed("tab-penalty", pl.DataFrame(), "Ends.", study="published")
    assert own == "*The study did not measure KL penalties.*"


@pytest.mark.parametrize(("sizes", "title"), [([9_600, 9_600], "proxy of 9.6k parameters"), ([1, 2], None)])
def test_a_chart_against_one_proxy_says_which(sizes, title):
    data = pl.DataFrame({"rm_params": sizes, "epochs": [1, 2], "seen": [10, 20], "gold": [0.0, 1.0]})
    chart = figures.lines(data, "seen", "gold", "gold", by=figures.EPOCHS, description="gold").to_dict()
    assert chart.get("title") == title


@pytest.mark.parametrize(
    ("changes", "named"),
    [({}, "smoke"), ({"seed": 7}, "YOUR_STUDY.yaml"), ({"name": "mine"}, "YOUR_STUDY.yaml")],
)
def test_a_page_says_how_to_make_it_again(poor, changes, named):
    study = load_study("smoke").model_copy(update=changes)
    text = pages.Page(replace(poor, study=study, record=fake_evidence.RECORD), "index").about().data
    assert f"make report STUDY={named}\n" in text
    assert f"-p study {named}\n" in text
