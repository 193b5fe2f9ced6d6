"""Prose of pages and rules: a difference is called minus, and no sentence is longer than a reader's breath."""

import re

import jupytext
import pytest

from overopt.analysis.claims.method_verdicts import METHOD_CLAIMS
from overopt.analysis.claims.verdicts import CLAIMS
from overopt.report import book

MOST_WORDS = 45  # of a sentence of prose on a page
NUMBERS = (
    "score|gold|proxy|mean|error|misfit|form|curve|penalty|penalised|start|range|square|highest|difference"
    "|end|ensemble|weight|there|tried"
)
LESS = re.compile(rf"\b(?:{NUMBERS})s?,? less\b(?! than| likely)")
PAGES = {path.name: path for path in [*book.notebook_sources(), *sorted((book.ROOT / "book").glob("*.md"))]}


def prose(path):
    """What a page says in its own words: no code, no table, no formula on a line of its own."""
    if path.suffix == ".md":
        text = path.read_text(encoding="utf-8")
    else:
        cells = jupytext.read(path)["cells"]
        text = "\n\n".join(cell["source"] for cell in cells if cell["cell_type"] == "markdown")
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    lines = [line for line in text.splitlines() if not re.match(r"\s*(\||#|:::|\$\$)", line)]
    return "\n".join(lines)


def sentences(text):
    """Paragraphs and items of lists, cut at the ends of sentences and at colons and semicolons before a new clause."""
    for part in re.split(r"\n\s*\n|\n\s*(?:[-*]|\d+\.) |\n(?=\S.*\n  )", text):
        yield from re.split(r"(?<=[.!?:;])[)*_]*\s+", " ".join(part.split()))


def captions(path):
    return " ".join(re.findall(r'"caption": "(.*?)"}', path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_a_page_says_minus(path):
    assert LESS.findall(prose(path) + captions(path)) == []


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_no_sentence_of_a_page_is_too_long(path):
    assert [one for one in sentences(prose(path)) if len(one.split()) > MOST_WORDS] == []


@pytest.mark.parametrize(
    "claim", [*CLAIMS, *METHOD_CLAIMS], ids=lambda claim: getattr(claim, "letter", str(claim.number))
)
def test_a_rule_says_minus_in_short_sentences(claim):
    assert LESS.findall(f"{claim.text} {claim.rule}") == []
    assert [one for one in sentences(claim.rule) if len(one.split()) > MOST_WORDS] == []


def test_the_checks_can_fail():
    assert LESS.search("the proxy's score less gold")
    assert LESS.search("Penalised less unpenalised".lower())
    assert not LESS.search("gains less, moves less far, has a score less than before and needs less KL")
    long = "and ".join(["one word "] * 30) + "."
    assert [
        len(one.split()) > MOST_WORDS
        for one in sentences(f"A short one. {long}\n\n- An item\n- Another: short.")
    ] == [
        False,
        True,
        False,
        False,
        False,
    ]
