"""`overopt page`: files written whole or not at all, and what is refused in one sentence."""

import os
import sys

import own_files
import pytest

from overopt.cli import commands
from overopt.cli.page import page_command
from overopt.report import own_page
from overopt.util.errors import UserError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """With scores and judged policies; the Vega bundle, which takes seconds, left out of pages."""
    monkeypatch.setattr(own_page, "_vega", lambda: "")
    monkeypatch.chdir(tmp_path)
    own_files.gains(hacked=0.05).write_csv(tmp_path / "scores.csv")
    own_files.policies().write_csv(tmp_path / "policies.csv")
    return tmp_path


def test_the_page_and_its_pictures(folder, monkeypatch, capsys):
    words = ["page", "scores.csv", "--out", "page.html", "--png", "p.png", "--svg", "p.svg"]
    monkeypatch.setattr(sys, "argv", ["overopt", *words])
    commands.main()
    said = capsys.readouterr().out
    assert [line.split(":")[0] for line in said.splitlines()] == ["page.html", "p.svg", "p.png"]
    assert (
        "overopt page scores.csv --out page.html --png p.png --svg p.svg"
        in (folder / "page.html").read_text()
    )
    assert (folder / "p.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "p.svg").read_text().startswith("<svg")


def test_where_files_lie_is_not_in_the_page(folder):
    (folder / "elsewhere").mkdir()
    page_command(folder / "policies.csv", folder / "elsewhere" / "page.html")
    page_command(folder / "policies.csv", folder / "page.html")
    html = (folder / "page.html").read_bytes()
    assert html == (folder / "elsewhere" / "page.html").read_bytes()
    assert str(folder).encode() not in html


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"scores": "none.csv"}, "none.csv: found no such file"),
        ({"out": "page.pdf"}, r"page.pdf: found the ending '.pdf', expected .html"),
        ({"png": "p.jpg"}, r"p.jpg: found the ending '.jpg', expected .png"),
        ({"svg": "p"}, "p: found the ending '', expected .svg"),
        ({"out": "nowhere/page.html"}, "found no folder nowhere"),
        ({"form": "cubic"}, "form: found 'cubic', expected 'bon' or 'rl'"),
    ],
)
def test_what_cannot_be_done_is_refused_and_nothing_written(folder, monkeypatch, capsys, names, message):
    before = sorted(os.listdir(folder))
    given = {"scores": "scores.csv", "out": "page.html"} | names
    words = [given.pop("scores"), *(word for name, value in given.items() for word in (f"--{name}", value))]
    monkeypatch.setattr(sys, "argv", ["overopt", "page", *words])
    with pytest.raises(SystemExit) as done:
        commands.main()
    out, err = capsys.readouterr()
    assert (done.value.code, out, err.count("\n")) == (2, "", 1)
    assert message in err.replace("\\", "")
    assert sorted(os.listdir(folder)) == before


def test_without_what_draws_charts_it_says_what_to_install(folder, monkeypatch):
    monkeypatch.delitem(sys.modules, "overopt.report.own_page")
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(UserError, match="found no module 'vl_convert', expected what charts are drawn with"):
        page_command(folder / "scores.csv", folder / "page.html")
