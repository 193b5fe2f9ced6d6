"""From a study to pages in a browser: execute the notebooks, bind the book, check it, and only then show it.

The committed book in `book/` is never touched, except by `publish=True` with the study that it shows, which
renews its executed notebooks. Everything else happens under `_build/<study>/`:

    executed/   notebooks as executed for this study, each with a fingerprint of what it was made from
    source/     the book's pages with those notebooks among them
    _build/     what Jupyter Book makes of it
    html/       the checked book, put here last
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import filelock
import jupytext
import nbformat
import papermill
import yaml
from papermill.exceptions import PapermillExecutionError

from overopt.analysis.results import Results
from overopt.report import charts, downloads
from overopt.report.html_checks import check_book, check_notebook
from overopt.util.errors import UserError
from overopt.util.paths import ROOT

PRETRAINED_PAGE = "08_other_models"
KERNEL = "python3"  # as notebooks name it
_KEPT_CELL_METADATA = ("tags", "mystnb")
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": KERNEL},
    "language_info": {"name": "python"},
}


def build(
    study: str,
    *,
    destination: Path | None = None,
    publish: bool = False,
    say: Callable[[str], None] = print,
) -> Path:
    """Make the book of `study` and return the path of its index.html.

    What is missing of the study is computed first. Notebooks whose inputs (results, source, library) have not
    changed are not executed again, and a book is not bound again of the same pages. On any failure the book shown before
    stays as it was.

    Args:
        study: name of a study, or the path of its YAML file.
        destination: folder to build in; `_build/<study>` by default.
        publish: also replace what is committed: the study's tables and verdicts in `results/` and, of the study that
            the committed book shows, the executed notebooks in `book/` and what README opens with.
        say: is told, line by line, what happens.

    Raises:
        UserError: for an unknown study, a failing cell, a warning of Jupyter Book or a failed check.
    """
    from overopt import api
    from overopt.engine.runner import available_cores
    from overopt.report import readme

    found = api.load_results(study)
    if publish and found.study.name == api.NOISE_OF:  # before the page is made that shows it
        for name in api.CHECKS:
            _replace_folder(api.check(name), ROOT / "results" / name / api.NOISE_OF)
    # a result that was computed again has the same key and another run time to show
    key = f"{found.record['key']} {found.record['created']}"
    folder = (destination or ROOT / "_build" / found.study.name).resolve()
    if study != found.study.name:  # the path of a YAML file; notebooks run in the project's folder
        study = str(Path(study).resolve())
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / ".lock"):
        sources = notebook_sources(found.study.world)
        executed = {folder / "executed" / f"{source.stem}.ipynb": source for source in sources}
        marks = {path: fingerprint(source, study, key) for path, source in executed.items()}
        stale = [path for path, mark in marks.items() if not _is_fresh(path, mark)]
        # in processes of their own, side by side: most of a notebook's time is one thread that draws pictures
        with ProcessPoolExecutor(max(1, min(len(stale), available_cores())), get_context("spawn")) as pool:
            waiting = {}
            for path in stale:
                say(f"executing {path.stem}")
                waiting[path] = pool.submit(execute, executed[path], {"study": study}, path)
            for path, done in waiting.items():
                done.result()
                path.with_suffix(".sha256").write_text(marks[path] + "\n")
        shown, bound_from = folder / "html", folder / "html.sha256"
        mark = _binding_fingerprint(list(executed))
        if not (shown.is_dir() and bound_from.exists() and bound_from.read_text().strip() == mark):
            say("building the book")
            html = _bind(folder, list(executed), found)
            check_book(html, list(executed))
            bound_from.unlink(missing_ok=True)
            _replace_folder(html, shown)
            bound_from.write_text(mark + "\n")
    if publish:
        _replace_folder(found.folder, ROOT / "results" / found.study.name)
        judged = api.judge(found.study, found.folder)
        _replace_folder(judged, ROOT / "results" / "verdicts" / found.study.name)
        if found.study.name == downloads.COMMITTED:  # pages of other studies stand among those of this one
            for path in executed:
                _replace_file(path, ROOT / "book" / path.name)
            readme.publish(found, ROOT)
    return shown / "index.html"


def notebook_sources(world: str = "reviews") -> list[Path]:
    """The py:percent notebooks that the table of contents names, in its order; for other people's models, theirs alone."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    entries = [toc["root"], *(entry["file"] for entry in toc["chapters"])]
    written = {
        path.stem for path in (ROOT / "book").glob("*.md")
    }  # `own` is a page, and a notebook that is none
    paths = [ROOT / "notebooks" / f"{entry}.py" for entry in entries if entry not in written]
    return [path for path in paths if path.exists() and (world == "reviews" or path.stem == PRETRAINED_PAGE)]


def fingerprint(source: Path, study: str, key: str) -> str:
    """SHA-256 of what an executed notebook depends on: its source, the study's results and this library."""
    digest = hashlib.sha256(f"{study}\n{key}\n".encode())
    library = [path for path in (ROOT / "overopt").rglob("*") if path.suffix in {".py", ".js"}]
    for path in (source, *sorted(library)):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def execute(source: Path, parameters: dict[str, Any], destination: Path) -> None:
    """Execute one notebook with `parameters` into `destination`, which appears only if every cell succeeds.

    The result is the same bytes on every run with the same results: cell ids are fixed, times and paths
    dropped.

    Raises:
        UserError: if a parameter is unknown to the notebook, a cell fails, or an output holds a path.
    """
    notebook = jupytext.read(source)
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent) as scratch:
        before, after = Path(scratch) / source.with_suffix(".ipynb").name, Path(scratch) / "after.ipynb"
        nbformat.write(notebook, before)
        _check_parameters(before, parameters)
        try:
            with _this_python(Path(scratch)) as kernel:
                papermill.execute_notebook(
                    before,
                    after,
                    parameters=parameters,
                    kernel_name=kernel,
                    progress_bar=False,
                    cwd=ROOT,
                    # at the end nothing is worth an interrupt, which the kernel would call an error
                    shutdown_kernel="immediate",
                    extra_arguments=["--log-level=ERROR"],
                )
        except PapermillExecutionError as error:
            cell = _failed_cell(after)
            raise UserError(
                f"{source.name}: cell {cell}: found {error.ename}: {error.evalue}, expected every cell to run"
            ) from None
        clean = Path(scratch) / destination.name
        nbformat.write(_cleaned(nbformat.read(after, as_version=4), source.stem), clean)
        check_notebook(
            clean, forbidden=(str(ROOT), scratch, str(Path.home()) + os.sep, tempfile.gettempdir() + os.sep)
        )
        os.replace(clean, destination)


@contextmanager
def _this_python(scratch: Path) -> Iterator[str]:
    """The name of a kernel that is this very Python, whatever else is called python3 on this machine."""
    folder = scratch / "kernels" / KERNEL
    folder.mkdir(parents=True)
    words = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (folder / "kernel.json").write_text(
        json.dumps({"argv": words, "display_name": "Python 3", "language": "python"})
    )
    before = os.environ.get("JUPYTER_PATH")
    os.environ["JUPYTER_PATH"] = os.pathsep.join([str(scratch), *([before] if before else [])])  # first wins
    try:
        yield KERNEL
    finally:
        if before is None:
            del os.environ["JUPYTER_PATH"]
        else:
            os.environ["JUPYTER_PATH"] = before


def _check_parameters(notebook: Path, parameters: dict[str, Any]) -> None:
    known = papermill.inspect_notebook(notebook)
    for name in parameters:
        if name not in known:
            raise UserError(
                f"{notebook.name}: found the parameter {name!r}, expected one of {', '.join(sorted(known))}"
            )


def _failed_cell(path: Path) -> str:
    """Number in the source notebook, from 1, and first line of the first cell with an error."""
    added = {"injected-parameters", "papermill-error-cell-tag"}
    cells = nbformat.read(path, as_version=4).cells
    own = [cell for cell in cells if not added & set(cell.metadata.get("tags", []))]
    for count, cell in enumerate(own, start=1):
        if cell.cell_type == "code" and any(output.output_type == "error" for output in cell.outputs):
            line = next((line for line in cell.source.splitlines() if line.strip()), "")
            return f"{count} ({line.strip()})"
    return "?"


def _cleaned(notebook: Any, name: str) -> Any:
    """Only what the book needs: fixed ids, tags and figure metadata, no times, no stderr."""
    notebook.metadata = nbformat.from_dict(_METADATA)
    cells: list[Any] = []
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if "papermill-error-cell-tag" in tags:
            continue
        if "injected-parameters" in tags:
            cell.metadata["tags"] = [*tags, "remove-input"]
        cell.metadata = nbformat.from_dict(
            {k: cell.metadata[k] for k in _KEPT_CELL_METADATA if cell.metadata.get(k)}
        )
        cell.id = f"{name}-{len(cells)}".replace("_", "-")
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            figure = cell.metadata.get("mystnb", {}).get("figure", {}).get("name")
            for output in cell.outputs if figure else []:
                if "text/html" in output.get("data", {}):
                    output.data["text/html"] = charts.named(output.data["text/html"], figure)
        cells.append(cell)
    notebook.cells = cells
    notebook.nbformat_minor = 5
    return notebook


def _is_fresh(path: Path, mark: str) -> bool:
    sidecar = path.with_suffix(".sha256")
    return path.exists() and sidecar.exists() and sidecar.read_text().strip() == mark


def _binding_fingerprint(executed: list[Path]) -> str:
    """SHA-256 of what the bound book depends on: executed notebooks, the pages beside them, and this library."""
    digest = hashlib.sha256()
    pages = [
        path for path in sorted((ROOT / "book").rglob("*")) if path.is_file() and path.suffix != ".ipynb"
    ]
    settings = [ROOT / "_config.yml", ROOT / "_toc.yml", ROOT / "requirements.txt"]
    for path in (*executed, *pages, *settings, *sorted((ROOT / "overopt").rglob("*.py"))):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _bind(folder: Path, executed: list[Path], results: Results) -> Path:
    """Copy pages and tables beside the executed notebooks and run Jupyter Book; returns the HTML folder."""
    source = folder / "source"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(ROOT / "book", source, ignore=shutil.ignore_patterns("*.ipynb", "_toc.yml", "_build"))
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    pages = {path.stem for path in executed} | {path.stem for path in source.glob("*.md")}
    # a book of one page has no front page
    root = toc["root"] if toc["root"] in pages else executed[0].stem
    chapters = [entry for entry in toc["chapters"] if entry["file"] in pages - {root}]
    (source / "_toc.yml").write_text(
        yaml.safe_dump(toc | {"root": root, "chapters": chapters}), encoding="utf-8"
    )
    for path in executed:
        shutil.copyfile(path, source / path.name)
    downloads.place(results, source)
    # Warnings are errors; glued numbers of other pages would stay stale without --all.
    options = ["-W", "-n", "--keep-going", "--all", "--path-output", str(folder)]
    places = ["--config", str(ROOT / "_config.yml"), "--toc", str(source / "_toc.yml"), str(source)]
    program = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build"]
    # The theme shares its colours with terminals; the log is a file.
    environment = {**os.environ, "NO_COLOR": "1"}
    done = subprocess.run(
        [*program, *options, *places],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    log = folder / "build.log"
    log.write_text(done.stdout + done.stderr, encoding="utf-8")
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).splitlines()
        first = next((line for line in lines if "WARNING" in line or "ERROR" in line), "no message")
        raise UserError(f"{log}: found {first!r}, expected a book without warnings")
    return folder / "_build" / "html"


def _replace_folder(new: Path, place: Path) -> None:
    """Copy `new` beside `place`, then swap, so that `place` is whole at every moment but one."""
    fresh, old = place.with_name(place.name + ".new"), place.with_name(place.name + ".old")
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.copytree(new, fresh)
    if place.exists():
        place.rename(old)
    fresh.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def _replace_file(new: Path, place: Path) -> None:
    temporary = place.with_name(place.name + ".new")
    shutil.copyfile(new, temporary)
    os.replace(temporary, place)
