"""The book of the study `smoke`, built once a session, whatever the number of test processes.

Tests that use it belong to the xdist group "smoke", so that none reads it while another builds it again.
"""

from pathlib import Path

import filelock
import pytest


@pytest.fixture(scope="session")
def smoke_book(smoke_store: Path, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The folder with the built HTML pages of `smoke`; its parent is the report's destination."""
    from overopt import (
        report,
    )  # here, so that loading this file imports nothing that jaxtyping must see first

    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent  # one for all processes of pytest-xdist
    with filelock.FileLock(shared / "smoke_book.lock"):
        html = shared / "smoke_book" / "html"
        return html if html.exists() else report.build("smoke", destination=html.parent).parent
