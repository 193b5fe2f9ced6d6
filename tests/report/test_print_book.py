"""The book as one PDF: pages joined in order, links inside, no scripts; a browser prints it, or a sentence says why not."""

import re
import shutil

import pytest

from overopt.report import print_book
from overopt.util.errors import UserError


def page(title, body):
    return (
        f'<html lang="en"><head><title>{title}</title><script>alert(1)</script></head><body><nav>menu</nav>'
        f'<article class="bd-article"><h1>{title}</h1>{body}</article></body></html>'
    )


@pytest.fixture
def html(tmp_path):
    folder = tmp_path / "html"
    folder.mkdir()
    links = '<a href="00_chain.html">a</a> <a href="00_chain.html#fig-lm">b</a> <a href="https://arxiv.org/x.html">c</a>'
    (folder / "index.html").write_text(page("Front", f"{links} <a href='nowhere.html'>d</a>"))
    (folder / "glossary.html").write_text(page("Words", "<script>draw()</script>"))
    (folder / "00_chain.html").write_text(page("Chain", '<p id="fig-lm">figure</p>'))
    (folder / "search.html").write_text(page("Search", ""))
    return folder


def test_pages_are_joined_in_the_order_of_the_contents(html):
    whole = print_book.join(html)
    assert re.findall(r"<h1>(\w+)", whole) == ["Front", "Chain", "Words"]  # no search, no menu
    assert "menu" not in whole
    assert "<script" not in whole
    assert '<html data-theme="light" lang="en">' in whole


def test_links_between_pages_lead_inside(html):
    whole = print_book.join(html)
    assert '<a href="#page-00_chain">a</a>' in whole
    assert '<a href="#fig-lm">b</a>' in whole
    assert 'id="page-00_chain"' in whole
    assert '<a href="https://arxiv.org/x.html">c</a>' in whole


def test_a_page_without_an_article_is_refused(html):
    (html / "glossary.html").write_text("<html><head></head><body></body></html>")
    with pytest.raises(UserError, match=r"glossary.html: found no article, expected a page"):
        print_book.join(html)


def test_a_folder_without_pages_is_refused(tmp_path):
    with pytest.raises(UserError, match="found no page of the book"):
        print_book.join(tmp_path)


def test_without_a_browser_one_sentence_says_so(html, monkeypatch):
    monkeypatch.setattr(print_book.shutil, "which", lambda name: None)
    with pytest.raises(UserError, match=r"^pdf: found none of chromium, .*, expected one that prints"):
        print_book.print_book(html)
    assert not (html / "print.html").exists()


def test_a_browser_that_prints_nothing_is_named(html, monkeypatch):
    monkeypatch.setattr(print_book.shutil, "which", lambda name: "/bin/false")
    with pytest.raises(UserError, match=r"book.pdf: found 'exit code 1', expected false to print it"):
        print_book.print_book(html)
    assert sorted(path.name for path in html.parent.iterdir()) == ["html"]


@pytest.mark.skipif(not any(map(shutil.which, print_book.BROWSERS)), reason="no Chromium is installed")
def test_a_browser_prints_one_file(html):
    place = print_book.print_book(html)
    assert place == html.parent / "book.pdf"
    data = place.read_bytes()
    assert data.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", data)) == 3  # each page begins on a new sheet
    assert not (html / "print.html").exists()
