"""How to cite the paper and this project, as BibTeX: both from the files that say so for machines."""

from __future__ import annotations

import re
from typing import Any

import yaml

from overopt.report.myst import box
from overopt.util.errors import UserError
from overopt.util.paths import ROOT

PAPER = "gao2022scaling"
PAPER_URL = "https://arxiv.org/abs/2210.10760"


def paper_entry(references: str, key: str = PAPER) -> str:
    """The entry `key` of a BibTeX file, as it stands there.

    >>> paper_entry("@misc{a,\\n  year = {1},\\n}\\n\\n@misc{b,\\n}\\n", "a")
    '@misc{a,\\n  year = {1},\\n}'

    Raises:
        UserError: if no entry has the key.
    """
    found = re.search(rf"^@\w+\{{{re.escape(key)},.*?^\}}", references, re.MULTILINE | re.DOTALL)
    if found is None:
        raise UserError(f"references.bib: found no entry {key!r}, expected one for the paper")
    return found[0]


def project_entry(cff: dict[str, Any]) -> str:
    """The fields of a CITATION.cff as a BibTeX entry of this software.

    >>> print(project_entry({"title": "t", "authors": [{"name": "A"}], "version": 1, "license": "MIT"}))
    @software{overopt,
      title = {t},
      author = {{A}},
      version = {1},
      license = {MIT},
    }
    """
    authors = " and ".join(_author(author) for author in cff["authors"])
    fields = {"title": cff["title"], "author": authors, "version": cff["version"], "license": cff["license"]}
    if "date-released" in cff:
        fields["year"] = str(cff["date-released"])[:4]
    if "repository-code" in cff:
        fields["url"] = cff["repository-code"]
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
    return "\n".join(["@software{overopt,", *lines, "}"])


def _author(author: dict[str, str]) -> str:
    """A person as BibTeX has it; a group in braces, which keep it whole."""
    if "name" in author:
        return f"{{{author['name']}}}"
    return f"{author['family-names']}, {author['given-names']}"


def say_citation() -> str:
    """A box with the entries of the paper and of this project."""
    references = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    code = cff.get("repository-code")
    source = f"[its repository]({code})" if code else "the folder that this book was made in"
    lines = [
        f"The laws and the claims are the paper's: [arXiv 2210.10760]({PAPER_URL}).",
        "",
        *_block(paper_entry(references)),
        "",
        f"The measurements and the code are this project's. Its source is {source}; `CITATION.cff` there says the same to "
        "machines.",
        "",
        *_block(project_entry(cff)),
    ]
    return box("How to cite", "seealso", "\n".join(lines))


def _block(text: str) -> list[str]:
    return ["```bibtex", *text.splitlines(), "```"]
