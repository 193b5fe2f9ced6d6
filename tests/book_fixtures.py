"""The book of the study `smoke`, built once a session by the command that README names.

Tests that use it belong to the xdist group "book", so that none reads it while another builds it again.
"""

from pathlib import Path

import filelock
import pytest
from clone_fixtures import run_in


@pytest.fixture(scope="session")
def smoke_book(
    clone: Path, smoke_store: Path, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Path:
    """The folder with the built HTML pages of `smoke`; its parent is the report's destination."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent  # one for all processes of pytest-xdist
    with filelock.FileLock(shared / "smoke_book.lock"):
        html = clone / "_build" / "smoke" / "html"
        if not html.exists():
            done = run_in(clone, "make report STUDY=smoke", smoke_store)
            assert done.returncode == 0, done.stdout + done.stderr
            assert done.stdout.splitlines()[-1] == f"The report is at {(html / 'index.html').as_uri()}"
            (clone / "said").write_text(done.stdout + done.stderr)
        return html
