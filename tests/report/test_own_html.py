"""The page on a reader's own numbers as a file: the same bytes, nothing from outside, nothing of a name's taken for HTML."""

import base64
import io
import json
import re
import xml.etree.ElementTree as ET

import own_files
import polars as pl
import pytest

from overopt.analysis.known_worlds import ALPHA_BON, BETA_RL
from overopt.report import own_page
from overopt.report.html_checks import outside_loads, read_page
from overopt.report.own_page import open_own_page

EVIL = '</script><b>"&`'


@pytest.fixture(autouse=True)
def no_vega(monkeypatch):
    """The bundle takes seconds, and is looked at in the browser."""
    monkeypatch.setattr(own_page, "_vega", lambda: "")


@pytest.fixture
def page(tmp_path):
    own_files.gains(hacked=0.05).rename({"mine": EVIL}).write_parquet(tmp_path / "scores.parquet")
    return open_own_page(tmp_path / "scores.parquet")


def test_the_same_numbers_are_the_same_bytes(page, tmp_path):
    again = open_own_page(tmp_path / "scores.parquet")
    assert page.page("made") == again.page("made")
    assert page.printed_svg() == again.printed_svg()


def test_a_name_is_text_everywhere(page, tmp_path):
    html = page.page(f"overopt page {EVIL}")
    assert "<b>" not in html
    assert html.count("</script>") == 3  # data, Vega, and what draws
    (tmp_path / "page.html").write_text(html)
    assert outside_loads(tmp_path) == []
    specs = json.loads(re.search(r'<script type="application/json">(.*?)</script>', html).group(1))
    assert {row["group"] for row in max(specs["wide"]["datasets"].values(), key=len)} == {EVIL}
    assert "</script>" in open_own_page(tmp_path / "scores.parquet").title


def test_the_page_holds_what_it_should(page):
    html = page.page("overopt page scores.csv --out page.html")
    for piece in (
        '<html lang="en">',
        '<meta name="viewport"',
        "<title>How far to trust",
        "prefers-color-scheme: dark",
        "overopt page scores.csv --out page.html",
        "KL (nats)",
        "α (SDs/√nat)",
        "paper, 3M",
        f"{ALPHA_BON[1]:.2f}",
        "read off its figures by a third party",
        "What could make this wrong",
    ):
        assert piece in html, piece
    assert html.count('role="img" aria-label="Gold and proxy score against KL') == 2
    assert not re.search(r"\b20[23]\d-\d\d", html)


def test_the_numbers_come_back_from_the_link(page):
    data = re.search(r'href="data:text/csv;charset=utf-8;base64,([^"]+)"', page.numbers).group(1)
    table = pl.read_csv(io.BytesIO(base64.b64decode(data)))
    (curve,) = page.curves
    assert table["gold"].to_list() == pytest.approx(curve.points["gold"].to_list())
    assert table["n"].to_list() == curve.points["n"].to_list()
    assert set(table["proxy_name"]) == {EVIL}
    assert 'download="scores-curves.csv"' in page.numbers


def test_policies_stand_beside_the_papers_rl(tmp_path):
    own_files.policies().write_csv(tmp_path / "policies.csv")
    page = open_own_page(tmp_path / "policies.csv")
    for beta in BETA_RL:
        assert f"<td>{beta:.3f}</td>" in page.coefficients
    assert "not comparable" not in page.coefficients
    assert "dpo-4" in page.numbers


def test_units_of_ones_own_are_not_called_sds(tmp_path):
    own_files.curve_of("bon", 0.6, 0.15).write_csv(tmp_path / "curves.csv")
    page = open_own_page(tmp_path / "curves.csv", "bon")
    assert "not comparable" in page.coefficients
    assert "SDs" not in page.short
    assert "units of the file" in json.dumps(page.spec)


def test_the_pictures_are_dark_on_white(page):
    svg = page.printed_svg()
    root = ET.fromstring(svg)
    assert root.tag.endswith("svg")
    assert "currentColor" not in svg
    assert "#ffffff" in svg
    assert page.printed_png()[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    "table",
    [
        own_files.gains(prompts=4, samples=1),
        own_files.gains(prompts=1, samples=3),
        own_files.gains().with_columns(other=pl.col("gold").abs()),
        own_files.policies(kl=own_files.KL[:1]),
        own_files.policies().drop("gold_se", "proxy", "proxy_se"),
    ],
    ids=["one sample", "one prompt", "two proxies", "one policy", "gold alone"],
)
def test_whatever_there_is_makes_a_page(tmp_path, table):
    table.write_csv(tmp_path / "own.csv")
    html = open_own_page(tmp_path / "own.csv").page("made")
    assert not re.search(
        r"\bnan\b|\binf\b|None", re.sub(r"<(script|style).*?</\1>", "", html, flags=re.DOTALL)
    )
    (tmp_path / "page.html").write_text(html)
    assert read_page(tmp_path / "page.html").outside == []
