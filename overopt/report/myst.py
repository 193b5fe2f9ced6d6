"""MyST Markdown, which the book makes of a cell's output: numbered tables, boxes, and text that a model wrote.

A table printed this way is numbered, follows the page's light or dark colours and scrolls on a phone.
"""

import re
from collections.abc import Iterable, Sequence


def escaped(text: str) -> str:
    """Text as it is, whatever Markdown or HTML it contains, on one line."""
    flat = " ".join(text.split())
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", flat)


def table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str, name: str, align: str
) -> str:
    """A numbered table. Cells are Markdown: pass model text through `escaped`.

    Args:
        header: column titles.
        rows: cells, one sequence a row.
        caption: Markdown under the number.
        name: target for cross-references.
        align: one letter a column, l or r.
    """
    marks = [":---" if letter == "l" else "---:" for letter in align]
    lines = ["| " + " | ".join(cells) + " |" for cells in (header, marks, *rows)]
    return "\n".join([f":::{{table}} {caption}", f":name: {name}", "", *lines, ":::"])


def box(title: str, kind: str, text: str) -> str:
    """An admonition with a `title`, of the class `kind`."""
    return f":::{{admonition}} {title}\n:class: {kind}\n{text}\n:::"
