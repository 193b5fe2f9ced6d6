"""Every command that a document of the project tells its reader to type, found in the documents themselves.

A command is a line of a `bash` block, or a piece of code in a sentence or table that starts with the name of a program.
"""

import json
import re
from dataclasses import dataclass

from overopt.util.paths import ROOT

PROGRAMS = (
    r"make|overopt|papermill|jupyter-book|jupytext|pip|git|python[\d.]*|accelerate|snakemake|pytest|"
    r"\.venv(?:-\w+)?/bin/[\w-]+"
)
BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)
ANY_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")


@dataclass(frozen=True)
class Command:
    """`text` as it stands in `document`; `exports`: lines of its block that set what it runs with."""

    document: str
    text: str
    exports: tuple[str, ...] = ()


def documents():
    """Text of everything that is read: README and its like, pages, and what executed pages show."""
    paths = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "book").glob("*.md"))]
    found = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in paths}
    for path in sorted((ROOT / "book").glob("*.ipynb")):
        found[str(path.relative_to(ROOT))] = "\n\n".join(_shown(json.loads(path.read_text(encoding="utf-8"))))
    return found


def _shown(notebook):
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            yield "".join(cell["source"])
        for output in cell.get("outputs", ()):
            yield "".join(output.get("data", {}).get("text/markdown", ()))


def commands_of(document, text):
    """The commands of one document, each once, in their order."""
    found = []
    for block in BLOCK.findall(text):
        exports = ()
        for line in block.replace("\\\n", "").splitlines():
            if line.startswith("export "):
                exports += (line,)
            elif line.strip() and not line.startswith("#"):
                found.append(Command(document, line.strip(), exports))
    for span in SPAN.findall(ANY_BLOCK.sub("", text)):
        words = " ".join(span.split())
        if re.fullmatch(rf"(?:{PROGRAMS}) \S.*", words):
            found.append(Command(document, words))
    return list(dict.fromkeys(found))


def all_commands():
    """Every command of every document; one that several documents name stands once, at the first of them."""
    found = {}
    for document, text in documents().items():
        for command in commands_of(document, text):
            found.setdefault((command.text, command.exports), command)
    return list(found.values())
