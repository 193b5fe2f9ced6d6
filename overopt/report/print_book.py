"""The whole book as one PDF: its pages are joined to one, which a headless Chromium prints.

Scripts are left out, so that every chart is the picture that stands in the page, in light colours. What only a screen
needs (menus, buttons, folded code) is hidden by `book.css`, in its part for print.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import yaml

from overopt.util.errors import UserError
from overopt.util.files import replacing
from overopt.util.paths import ROOT

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NAME = "book.pdf"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-pdf-header-footer",
    "--virtual-time-budget=20000",
)
LIMIT = 600  # seconds that a browser may take
_ARTICLE = re.compile(r'<article class="bd-article".*?</article>', re.DOTALL)
_SCRIPT = re.compile(r"<script\b.*?</script>", re.DOTALL | re.IGNORECASE)
_SHEETS = "<style>.oo-printed + .oo-printed { break-before: page; }</style>"
_TO_PAGE = re.compile(r'href="([\w-]+)\.html(#[^"]*)?"')


def print_book(html: Path) -> Path:
    """Print the built book in the folder `html` as one PDF beside that folder, and return its path.

    Raises:
        UserError: if there is no Chromium, or it prints nothing.
    """
    browser = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if browser is None:
        raise UserError(
            f"pdf: found none of {', '.join(BROWSERS)}, expected one that prints (on Debian: apt-get install chromium)"
        )
    place = html.resolve().parent / NAME
    joined = html.resolve() / "print.html"  # among the pages, whose pictures and styles it uses
    try:
        joined.write_text(join(html), encoding="utf-8")
        with tempfile.TemporaryDirectory() as profile, replacing(place) as temporary:
            words = [browser, *FLAGS, f"--user-data-dir={profile}", f"--print-to-pdf={temporary}"]
            done = _run([*words, joined.as_uri()])
            if not (temporary.is_file() and temporary.read_bytes().startswith(b"%PDF")):
                raise UserError(f"{place}: found {done!r}, expected {Path(browser).name} to print it")
    finally:
        joined.unlink(missing_ok=True)
    return place


def _run(words: list[str]) -> str:
    """The last line that the browser said."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return f"no PDF after {LIMIT} seconds"
    return next(reversed(done.stderr.strip().splitlines()), f"exit code {done.returncode}")


def join(html: Path) -> str:
    """One page of all pages in the order of the contents: links between them lead inside it, scripts are gone.

    Raises:
        UserError: if a page has no article.
    """
    names = pages(html)
    articles = []
    for name in names:
        text = (html / f"{name}.html").read_text(encoding="utf-8")
        found = _ARTICLE.search(text)
        if found is None:
            raise UserError(f"{name}.html: found no article, expected a page of the book")
        articles.append(f'<div class="oo-printed" id="page-{name}">{found[0]}</div>')
    first = (html / f"{names[0]}.html").read_text(encoding="utf-8")
    head = first[: first.index("</head>")]
    body = _TO_PAGE.sub(lambda link: _inside(link, names), "\n".join(articles))
    whole = (
        f'{head}{_SHEETS}</head><body class="oo-print"><main class="bd-content">{body}</main></body></html>'
    )
    return _SCRIPT.sub("", whole).replace("<html ", '<html data-theme="light" ', 1)


def pages(html: Path) -> list[str]:
    """Names of the built pages, in the order of the contents.

    Raises:
        UserError: if none was built.
    """
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    entries = [contents["root"], *(entry["file"] for entry in contents["chapters"])]
    names = [name for name in entries if (html / f"{name}.html").is_file()]
    if not names:
        raise UserError(f"{html}: found no page of the book, expected those that `overopt report` builds")
    return names


def _inside(link: re.Match[str], names: list[str]) -> str:
    """The same link within the joined page; one to a page that is not there stays."""
    page, target = link.groups()
    return f'href="{target or f"#page-{page}"}"' if page in names else link[0]
