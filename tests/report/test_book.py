"""Executing notebooks, and what is refused before a book is shown."""

import hashlib
import json
import os
import sys

import pytest
import yaml

from overopt.report import book
from overopt.report.html_checks import check_book, check_notebook, outside_loads
from overopt.util.errors import UserError

HEADER = "# ---\n# jupyter:\n#   kernelspec: {display_name: P, language: python, name: python3}\n# ---\n"
PARAMETERS = '# %% tags=["parameters"]\nstudy = "laptop"\n\n'


def write_notebook(folder, body):
    path = folder / "page.py"
    path.write_text(HEADER + PARAMETERS + body)
    return path


def test_executing_twice_gives_the_same_bytes(tmp_path):
    body = '# %%\nimport sys\nprint(study)\nprint("noise", file=sys.stderr)\nstudy.upper()\n'
    source = write_notebook(tmp_path, body)
    for name in ("a.ipynb", "b.ipynb"):
        book.execute(source, {"study": "smoke"}, tmp_path / "out" / name)
    first, second = ((tmp_path / "out" / name).read_bytes() for name in ("a.ipynb", "b.ipynb"))
    assert first == second
    notebook = json.loads(first)
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    assert "papermill" not in json.dumps([cell["metadata"] for cell in notebook["cells"]])
    outputs = notebook["cells"][-1]["outputs"]
    assert [output.get("text") or output["data"]["text/plain"] for output in outputs] == [
        ["smoke\n"],
        ["'SMOKE'"],
    ]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.ipynb", "b.ipynb"]


def test_a_failing_cell_is_named_and_nothing_is_published(tmp_path):
    source = write_notebook(tmp_path, '# %%\nprint(1)\n\n# %%\nraise KeyError("no such thing")\n')
    out = tmp_path / "out" / "page.ipynb"
    out.parent.mkdir()
    out.write_text("the one before")
    with pytest.raises(UserError, match=r"page\.py: cell 3 \(raise KeyError.*no such thing") as error:
        book.execute(source, {"study": "smoke"}, out)
    assert "\n" not in str(error.value)
    assert out.read_text() == "the one before"
    assert list(out.parent.iterdir()) == [out]


def test_another_kernel_of_the_same_name_is_not_taken(tmp_path, monkeypatch):
    planted = tmp_path / "planted" / "kernels" / "python3"
    planted.mkdir(parents=True)
    wrong = {"argv": ["/bin/false", "{connection_file}"], "display_name": "Python 3", "language": "python"}
    (planted / "kernel.json").write_text(json.dumps(wrong))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "planted"))
    source = write_notebook(
        tmp_path, "# %%\nimport sys, hashlib\nhashlib.sha256(sys.executable.encode()).hexdigest()\n"
    )
    book.execute(source, {"study": "smoke"}, tmp_path / "out.ipynb")
    (output,) = json.loads((tmp_path / "out.ipynb").read_text())["cells"][-1]["outputs"]
    assert output["data"]["text/plain"] == [repr(hashlib.sha256(sys.executable.encode()).hexdigest())]
    assert os.environ["JUPYTER_PATH"] == str(tmp_path / "planted")


def test_nothing_is_said_that_looks_like_a_fault(tmp_path, capfd):
    source = write_notebook(tmp_path, "# %%\nprint(1)\n")
    book.execute(source, {"study": "smoke"}, tmp_path / "out.ipynb")
    assert capfd.readouterr() == ("", "")


def test_an_unknown_parameter_is_refused_before_anything_runs(tmp_path):
    source = write_notebook(tmp_path, "# %%\n1 / 0\n")
    with pytest.raises(UserError, match="found the parameter 'stduy', expected one of study"):
        book.execute(source, {"stduy": "smoke"}, tmp_path / "page.ipynb")
    assert not (tmp_path / "page.ipynb").exists()


def test_a_path_of_this_machine_is_refused(tmp_path):
    source = write_notebook(tmp_path, "# %%\nimport os\nprint(os.getcwd())\n")
    with pytest.raises(UserError, match="expected no path of this machine"):
        book.execute(source, {"study": "smoke"}, tmp_path / "page.ipynb")
    assert not (tmp_path / "page.ipynb").exists()


def test_a_fingerprint_depends_on_source_study_and_results(tmp_path):
    source = write_notebook(tmp_path, "# %%\n1\n")
    marks = {book.fingerprint(source, study, key) for study in "ab" for key in "cd"}
    source.write_text(source.read_text() + "\n# more")
    marks.add(book.fingerprint(source, "a", "c"))
    assert len(marks) == 5
    assert book.fingerprint(source, "a", "c") in marks


def test_notebooks_come_in_the_order_of_the_contents():
    names = [path.stem for path in book.notebook_sources()]
    contents = yaml.safe_load((book.ROOT / "_toc.yml").read_text())
    chapters = [contents["root"], *(chapter["file"] for chapter in contents["chapters"])]
    assert names == [name for name in chapters if name in names]
    assert len(names) == 13
    assert [path.stem for path in book.notebook_sources("pretrained")] == ["08_other_models"]


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://cdn.example/x.js"></script>',
        '<script src="//cdn.example/x.js"></script>',
        '<link rel="stylesheet" href="http://cdn.example/x.css">',
        '<img src="https://cdn.example/x.png">',
        '<iframe src="https://example.org"></iframe>',
        '<p style="background: url(https://cdn.example/x.png)">',
        '<style>@import "https://cdn.example/x.css";</style>',
    ],
)
def test_a_page_that_loads_from_a_network_is_found(tmp_path, html):
    (tmp_path / "page.html").write_text(f"<html><body>{html}</body></html>")
    (found,) = outside_loads(tmp_path)
    assert found.startswith("page.html: ")


def test_links_and_local_files_are_no_loads(tmp_path):
    (tmp_path / "page.html").write_text(
        '<a href="https://arxiv.org">paper</a><link rel="canonical" href="https://example.org/">'
        '<script src="_static/x.js"></script><svg xmlns="http://www.w3.org/2000/svg"></svg>'
        '<script>const x = "https://example.org/never-loaded.js";</script>'
    )
    (tmp_path / "x.css").write_text(
        "p { background: url(data:image/png;base64,xx) } /* https://example.org */"
    )
    assert outside_loads(tmp_path) == []
    (tmp_path / "x.css").write_text('@font-face { src: url("https://fonts.example/x.woff2") }')
    assert outside_loads(tmp_path) == ["x.css: https://fonts.example/x.woff2"]


def executed(path, *, outputs=(), count=1):
    cell = {
        "cell_type": "code",
        "metadata": {},
        "source": "",
        "outputs": list(outputs),
        "execution_count": count,
    }
    cell["metadata"] = {"mystnb": {"figure": {"name": "fig-a", "caption": "A"}}}
    path.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


def test_an_error_output_is_refused(tmp_path):
    error = {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": []}
    with pytest.raises(UserError, match=r"page\.ipynb: cell 0: found ValueError: no"):
        check_notebook(executed(tmp_path / "page.ipynb", outputs=[error]))
    with pytest.raises(UserError, match="not executed"):
        check_notebook(executed(tmp_path / "page.ipynb", count=None))


def test_a_book_without_a_figure_is_refused(tmp_path):
    notebook = executed(tmp_path / "page.ipynb")
    with pytest.raises(UserError, match=r"page\.html: found no page"):
        check_book(tmp_path, [notebook])
    (tmp_path / "page.html").write_text("<p>nothing</p>")
    with pytest.raises(UserError, match="found no figure 'fig-a'"):
        check_book(tmp_path, [notebook])
    (tmp_path / "page.html").write_text('<figure id="fig-a"></figure>')
    with pytest.raises(UserError, match="found 0 charts, expected 1"):
        check_book(tmp_path, [notebook])
    (tmp_path / "page.html").write_text('<figure id="fig-a"><div class="oo-chart"></div></figure>')
    check_book(tmp_path, [notebook])


def test_an_unknown_study_is_refused(tmp_path):
    with pytest.raises(UserError, match="study: found 'no-such-study'"):
        book.build("no-such-study", destination=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.xdist_group("book")
def test_building_again_does_nothing_and_leaves_the_committed_book_alone(smoke_book):
    """`smoke_book` is `<destination>/html`, built before."""
    committed = sorted((book.ROOT / "book").glob("*.ipynb"))
    before = [hashlib.sha256(path.read_bytes()).hexdigest() for path in committed]
    said: list[str] = []
    index = book.build("smoke", destination=smoke_book.parent, say=said.append)
    assert index == smoke_book / "index.html"
    assert said == []
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in committed] == before


@pytest.mark.xdist_group("book")
def test_every_page_says_what_it_was_made_from(smoke_book):
    for name in ("00_chain.html", "01_gold_vs_optimisation.html"):
        text = (smoke_book / name).read_text()
        for words in ("Reproduce this page", "smoke", "seeds", "commit", "of compute"):
            assert words in text
