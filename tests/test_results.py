"""The tables that are committed: they verify, and they are what the committed pages were drawn from."""

import json

import pytest

from overopt import results
from overopt.store import verify_folder
from overopt.study import ROOT, load_study

COMMITTED = sorted(path.parent for path in (ROOT / "results").glob("*/record.json"))


@pytest.mark.parametrize("folder", COMMITTED, ids=lambda folder: folder.name)
def test_committed_tables_verify_and_can_be_read(folder):
    assert verify_folder(folder) is None
    found = results.read(folder, load_study(folder.name))
    assert set(found.curves["record"]) == set(found.by_prompt["record"]) == set(found.texts["record"])


def test_the_committed_pages_name_the_committed_tables():
    found = results.read(ROOT / "results" / "laptop", load_study("laptop"))
    for notebook in (ROOT / "book").glob("0*.ipynb"):
        cells = json.loads(notebook.read_text())["cells"]
        assert f"result `{found.record['key'][:12]}`" in json.dumps(cells), notebook.name


def test_committed_texts_start_from_our_own_prompts():
    found = results.read(ROOT / "results" / "laptop", load_study("laptop"))
    assert set(found.texts["prompt_text"]) <= set(found.study.show_prompts)
