"""The page for people with models of their own: its code runs, on tiny models with its names."""

import re

import pytest
from clone_fixtures import add_readers_files

from overopt.util.paths import ROOT


@pytest.fixture
def folder(tmp_path, tokenizer):
    """Everything that the page names, as small as can be."""
    add_readers_files(tmp_path, tokenizer)
    return tmp_path


def test_the_code_runs(folder, monkeypatch, capsys):
    page = (ROOT / "book" / "own.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(folder)
    names = {}
    exec(compile(code, "own.md", "exec"), names)
    assert names["table"]["policy"].to_list() == ["base", "dpo-100", "dpo-400"]
    assert "gold_se" in capsys.readouterr().out
