"""Sphinx extension: charts and formulas that a reader without a network, or without JavaScript, can read.

Vega is written into the built book at build time, from an installed package; it is not committed. It stands
next to the other static files of the output, not in `book/_static`, because Jupyter Book loads every script
it finds there on every page; charts.js loads it only where there is a chart. Formulas become MathML when the
book is built, which browsers show by themselves. The tables that pages link are copied beside them.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import vl_convert
from latex2mathml.converter import convert

from overopt.report import downloads

VEGA = "vega/vega-bundle.js"


def write_vega(static: Path) -> None:
    """Write the Vega bundle under `static`, unless it is there."""
    bundle = static / VEGA
    if not bundle.exists():
        bundle.parent.mkdir(parents=True, exist_ok=True)
        script = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
        # In a function of its own: the bundle's one-letter globals would meet the theme's.
        bundle.write_text(f"(function () {{\n{script}\n}})();\n", encoding="utf-8")


def _on_builder_inited(app: Any) -> None:
    if app.builder.format == "html":
        write_vega(Path(app.outdir) / "_static")


def _on_build_finished(app: Any, exception: Exception | None) -> None:
    """Copy the tables: those beside the pages, or where `book/` is built as it is committed, the committed ones."""
    if exception is not None or app.builder.format != "html":
        return
    place, beside = Path(app.outdir), Path(app.srcdir) / downloads.FOLDER
    if beside.is_dir():
        shutil.copytree(beside, place / downloads.FOLDER, dirs_exist_ok=True)
    else:
        downloads.place_committed(place)


def _inline_math(writer: Any, node: Any) -> None:
    from docutils.nodes import SkipNode

    writer.body.append(convert(node.astext()))
    raise SkipNode


def _display_math(writer: Any, node: Any) -> None:
    from docutils.nodes import SkipNode

    writer.body.append(writer.starttag(node, "div", CLASS="math-block"))
    writer.body.append(convert(node.astext(), display="block") + "</div>")
    raise SkipNode


def _without_thebe(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Jupyter Book adds Thebe, twice, which the browser calls an error; it would run code on a server."""
    scripts = context["script_files"]
    scripts[:] = [one for one in scripts if "thebe" not in f"{one} {getattr(one, 'attributes', '')}".lower()]


def setup(app: Any) -> dict[str, Any]:
    """Connect to Sphinx."""
    app.add_html_math_renderer("mathml", (_inline_math, None), (_display_math, None))
    app.connect("builder-inited", _on_builder_inited)
    app.connect("build-finished", _on_build_finished)
    app.connect("html-page-context", _without_thebe, priority=900)
    return {"version": "2", "parallel_read_safe": True, "parallel_write_safe": True}
