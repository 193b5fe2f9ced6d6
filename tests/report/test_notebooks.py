"""Notebooks: the two forms are in step, parameters can be set, and every figure is captioned."""

import ast
import json
import re

import jupytext
import own_files
import pytest

from overopt.analysis.claims.verdicts import CLAIMS
from overopt.report import book
from overopt.report.html_checks import figure_names

SOURCES = book.notebook_sources()
OWN = book.ROOT / "notebooks" / "own.py"  # no page: readers run it on files of their own
EVERY = [*SOURCES, OWN]
MOST_LINES = 5  # of a cell of code, as the formatter wraps it
DEFINITIONS = (ast.FunctionDef, ast.ClassDef, ast.Lambda, ast.comprehension, ast.IfExp)


def cells(notebook):
    return [
        (cell["cell_type"], "".join(cell["source"]), dict(cell["metadata"])) for cell in notebook["cells"]
    ]


def paired(source):
    return json.loads(source.with_suffix(".ipynb").read_text(encoding="utf-8"))


def test_every_script_is_a_page_of_the_book_but_one():
    scripts = sorted((book.ROOT / "notebooks").glob("*.py"))
    assert sorted(EVERY) == scripts
    assert OWN not in SOURCES
    assert not (book.ROOT / "book" / "own.ipynb").exists()
    assert sorted((book.ROOT / "notebooks").glob("*.ipynb")) == [
        path.with_suffix(".ipynb") for path in scripts
    ]


@pytest.mark.parametrize("source", EVERY, ids=lambda path: path.stem)
def test_script_and_ipynb_are_in_step(source):
    """Run `jupytext --sync notebooks/*.py` where this fails."""
    assert cells(paired(source)) == cells(jupytext.read(source))


@pytest.mark.parametrize("source", EVERY, ids=lambda path: path.stem)
def test_ipynb_has_no_outputs(source):
    code = [cell for cell in paired(source)["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)
    assert paired(source)["metadata"]["kernelspec"]["name"] == "python3"


@pytest.mark.parametrize("source", EVERY, ids=lambda path: path.stem)
def test_the_only_parameter_is_what_is_read(source):
    tagged = [cell for cell in paired(source)["cells"] if "parameters" in cell["metadata"].get("tags", [])]
    expected = 'scores = "scores.csv"\nform = ""' if source == OWN else 'study = "published"'
    assert ["".join(cell["source"]) for cell in tagged] == [expected]


def test_the_notebook_on_ones_own_file_runs(tmp_path):
    table = own_files.gains(hacked=0.05)
    table.write_csv(tmp_path / "mine.csv")
    book.execute(OWN, {"scores": str(tmp_path / "mine.csv")}, tmp_path / "out" / "own.ipynb")
    shown = (tmp_path / "out" / "own.ipynb").read_text(encoding="utf-8")
    for piece in ("Stop at", "<svg", "paper, 3B", "Gold must itself judge well", "Download as CSV"):
        assert piece in shown, piece


@pytest.mark.parametrize("source", EVERY, ids=lambda path: path.stem)
def test_cells_are_short_and_what_they_call_is_defined_elsewhere(source):
    for kind, code, _ in cells(paired(source)):
        if kind == "code":
            assert sum(bool(line.strip()) for line in code.splitlines()) <= MOST_LINES, code
            assert not any(isinstance(node, DEFINITIONS) for node in ast.walk(ast.parse(code))), code


def test_figures_have_names_of_their_own_and_captions():
    names = []
    for source in SOURCES:
        notebook = paired(source)
        names += figure_names(notebook)
        for cell in notebook["cells"]:
            figure = cell["metadata"].get("mystnb", {}).get("figure")
            assert figure is None or len(figure["caption"]) > 40
    assert len(names) == len(set(names)) > 0


PANELS = {1: "ab", 3: "abc", 4: "ab", 7: "ab", 26: "ab"}  # the paper's figures that have parts
MARKS = [f"Fig. {k}{part}" for k in range(1, 27) for part in PANELS.get(k, [""])] + ["Table 1", "Table 2"]


def test_every_figure_and_table_of_the_paper_has_one_mark():
    text = "\n".join(source.read_text(encoding="utf-8") for source in SOURCES)
    found = re.findall(r"\(paper: (Fig\. \d+[a-c]?|Table \d)", text)
    assert sorted(found) == sorted(MARKS)


def test_verdicts_link_to_figures_that_are_there():
    names = {source.stem: figure_names(paired(source)) for source in SOURCES}
    for claim in CLAIMS:
        page, _, figure = claim.figure.partition(".html#")
        assert figure in names[page], claim.number


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_the_executed_notebook_in_the_book_is_of_this_source(source):
    """Run `overopt report published --publish` where this fails."""
    executed = json.loads((book.ROOT / "book" / f"{source.stem}.ipynb").read_text(encoding="utf-8"))
    executed["cells"] = [
        cell for cell in executed["cells"] if "injected-parameters" not in cell["metadata"].get("tags", [])
    ]
    assert cells(executed) == cells(paired(source))
