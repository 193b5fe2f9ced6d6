"""What must hold before a book is shown: no failed cell, every figure there, nothing from a network."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from overopt.util.errors import UserError

# Attributes by which a page loads something, tag by tag; a plain link (a href) loads nothing.
_LOADS = {
    "script": ("src",),
    "img": ("src", "srcset"),
    "iframe": ("src",),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
    "audio": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "image": ("href", "xlink:href"),
    "use": ("href", "xlink:href"),
}
_LOADING_RELATIONS = {"stylesheet", "icon", "preload", "prefetch", "modulepreload", "manifest", "preconnect"}
_OUTSIDE = re.compile(r"^\s*(?:https?:)?//", re.IGNORECASE)
_CSS_OUTSIDE = re.compile(r"(?:url\(\s*|@import\s+)[\"']?((?:https?:)?//[^\"')\s]+)", re.IGNORECASE)


class _Page(HTMLParser):
    """Collects what one page loads from outside, its ids, and its charts, or what says that there is none."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.outside: list[str] = []
        self.ids: set[str] = set()
        self.charts = 0
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self._style = tag == "style"
        self.ids.add(found.get("id", ""))
        self.charts += bool({"oo-chart", "oo-absent"} & set(found.get("class", "").split()))
        loads = [found[name] for name in _LOADS.get(tag, ()) if name in found]
        if tag == "link" and _LOADING_RELATIONS & set(found.get("rel", "").lower().split()):
            loads.append(found.get("href", ""))
        self.outside += [value for value in loads if _OUTSIDE.match(value)]
        self.outside += _CSS_OUTSIDE.findall(found.get("style", ""))

    def handle_data(self, data: str) -> None:
        if self._style:
            self.outside += _CSS_OUTSIDE.findall(data)


def read_page(path: Path) -> _Page:
    """Parse one HTML file."""
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def outside_loads(html: Path) -> list[str]:
    """`file: address` of everything that a page or style sheet under `html` would load from a network."""
    found = []
    for path in sorted(html.rglob("*.html")):
        found += [f"{path.relative_to(html)}: {address}" for address in read_page(path).outside]
    for path in sorted(html.rglob("*.css")):
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{path.relative_to(html)}: {address}" for address in _CSS_OUTSIDE.findall(text)]
    return found


def figure_names(notebook: dict[str, Any]) -> list[str]:
    """The names under which a notebook's cells ask for numbered figures."""
    cells = (cell["metadata"].get("mystnb", {}) for cell in notebook["cells"])
    return [cell["figure"]["name"] for cell in cells if "figure" in cell]


def check_notebook(path: Path, *, forbidden: tuple[str, ...] = ()) -> None:
    """Refuse an executed notebook with an error output, a cell that never ran, or a `forbidden` text (paths).

    Raises:
        UserError: naming the notebook and the cell.
    """
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for index, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] != "code":
            continue
        where = f"{path.name}: cell {index}"
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                raise UserError(f"{where}: found {output['ename']}: {output['evalue']}, expected no error")
        if cell["execution_count"] is None:
            raise UserError(f"{where}: found a cell that was not executed, expected an executed notebook")
        text = json.dumps(cell["outputs"], ensure_ascii=False)
        for piece in forbidden:
            if piece in text:
                raise UserError(f"{where}: found {piece!r} in its output, expected no path of this machine")


def check_book(html: Path, notebooks: list[Path]) -> None:
    """Refuse a built book that lacks a figure of a notebook or would load something from a network.

    Raises:
        UserError: naming the page and what was found.
    """
    for path in notebooks:
        name = f"{path.stem}.html"
        page, notebook = html / name, json.loads(path.read_text(encoding="utf-8"))
        if not page.is_file():
            raise UserError(f"{name}: found no page, expected one for {path.name}")
        read, figures = read_page(page), figure_names(notebook)
        missing = [figure for figure in figures if figure not in read.ids]
        if missing:
            raise UserError(f"{name}: found no figure {missing[0]!r}, expected every figure of {path.name}")
        if read.charts != len(figures):
            raise UserError(f"{name}: found {read.charts} charts, expected {len(figures)}, one a figure")
    outside = outside_loads(html)
    if outside:
        raise UserError(
            f"{outside[0]}: found a page that loads this from a network, expected a book read offline"
        )
