"""`overopt page`: one self-contained page about people's own numbers."""

import shlex
from pathlib import Path

from overopt.util.errors import UserError
from overopt.util.files import replacing


def page_command(
    scores: Path, out: Path, form: str = "", png: Path | None = None, svg: Path | None = None
) -> None:
    """`overopt page SCORES --out OUT [--form FORM] [--png PNG] [--svg SVG]`: write the page and its picture, and say so.

    Raises:
        UserError: as `overopt.analysis.own_curves.own_curves`; if a name ends otherwise, or a file cannot be written.
    """
    for path, ending in ((out, ".html"), (png, ".png"), (svg, ".svg")):
        if path is not None and path.suffix.lower() != ending:
            raise UserError(f"{path}: found the ending {path.suffix!r}, expected {ending}")
    try:
        from overopt.report.own_page import open_own_page
    except ModuleNotFoundError as error:
        raise UserError(
            f"page: found no module {error.name!r}, expected what charts are drawn with: make setup, or "
            'pip install ".[book]"'
        ) from error
    page = open_own_page(scores, form)
    files = {out: page.page(_command(scores, out, form, png, svg)).encode()}
    if svg is not None:
        files[svg] = page.printed_svg().encode()
    if png is not None:
        files[png] = page.printed_png()
    for path, content in files.items():
        with replacing(path) as temporary:
            temporary.write_bytes(content)
        print(f"{path}: {len(content) / 1e3:,.0f} kB")


def _command(scores: Path, out: Path, form: str, png: Path | None, svg: Path | None) -> str:
    """The command with names alone: where files lie is nobody else's business, and would change the page."""
    options = [
        ("--out", out.name),
        ("--form", form),
        ("--png", png and png.name),
        ("--svg", svg and svg.name),
    ]
    given = [word for option, value in options if value for word in (option, value)]
    return shlex.join(["overopt", "page", scores.name, *given])
