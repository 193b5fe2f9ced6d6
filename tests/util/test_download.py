"""Downloads are verified, cached, and fetched anew when damaged; pip itself is replaced here."""

import hashlib
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from overopt.util.download import Archive, cache_folder, fetch, sha256_of
from overopt.util.errors import UserError

CONTENT = b"a package"
ARCHIVE = Archive("toy-data", "1.0", "toy_data-1.0.whl", hashlib.sha256(CONTENT).hexdigest(), "wheel")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("OVEROPT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def pip(monkeypatch):
    """Stands for pip: `pip.content` is what it fetches; None is a failure with `pip.stderr`."""
    state = SimpleNamespace(content=CONTENT, stderr="", commands=[], requirements=[])

    def run(command, **options):
        state.commands.append(command)
        state.requirements.append(Path(command[command.index("--requirement") + 1]).read_text())
        if state.content is None:
            return SimpleNamespace(returncode=1, stdout="", stderr=state.stderr)
        (Path(command[command.index("--dest") + 1]) / ARCHIVE.filename).write_bytes(state.content)
        return SimpleNamespace(returncode=0, stdout="", stderr="")

    monkeypatch.setattr(subprocess, "run", run)
    return state


def left(cache):
    return sorted(path.name for path in cache.iterdir() if not path.name.endswith(".lock"))


def test_fetches_once_and_then_reads_the_cache(cache, pip):
    path = fetch(ARCHIVE)
    assert path == cache / ARCHIVE.filename
    assert path.read_bytes() == CONTENT
    assert fetch(ARCHIVE) == path
    assert len(pip.commands) == 1
    assert pip.requirements == [f"toy-data==1.0 --hash=sha256:{ARCHIVE.sha256}\n"]
    assert {"--no-deps", "--require-hashes", "--only-binary"} <= set(pip.commands[0])
    assert left(cache) == [ARCHIVE.filename]


@pytest.mark.parametrize("damaged", [b"", CONTENT[:-1], b"A package"])
def test_a_damaged_cached_file_is_fetched_anew(cache, pip, damaged):
    fetch(ARCHIVE).write_bytes(damaged)
    assert fetch(ARCHIVE).read_bytes() == CONTENT
    assert len(pip.commands) == 2


def test_another_hash_is_refused_naming_both_and_nothing_is_left(cache, pip):
    pip.content = b"something else"
    found = hashlib.sha256(pip.content).hexdigest()
    with pytest.raises(UserError) as caught:
        fetch(ARCHIVE)
    assert str(caught.value) == f"toy_data-1.0.whl: found SHA-256 {found}, expected {ARCHIVE.sha256}"
    assert left(cache) == []


def test_a_failure_of_pip_is_one_sentence_and_leaves_nothing(cache, pip):
    pip.content = None
    pip.stderr = "WARNING: retrying\nERROR: No matching distribution found for toy-data==1.0\nmore\n"
    with pytest.raises(UserError) as caught:
        fetch(ARCHIVE)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert re.search(
        r"toy-data==1\.0: pip found 'ERROR: No matching distribution .*'; expected toy_data", sentence
    )
    assert left(cache) == []


def test_pip_that_is_silent_or_brings_another_file_is_one_sentence(cache, pip):
    pip.content = None
    with pytest.raises(UserError, match=r"toy-data==1\.0: pip found 'no file came'"):
        fetch(ARCHIVE)
    pip.content = CONTENT
    with pytest.raises(UserError, match=r"expected other\.tar\.gz with SHA-256"):
        fetch(Archive("toy-data", "1.0", "other.tar.gz", ARCHIVE.sha256, "sdist"))
    assert "--no-binary" in pip.commands[-1]
    assert left(cache) == []


def test_a_cache_that_cannot_be_written_is_one_sentence(cache, pip):
    cache.write_text("a file where the folder should be")
    with pytest.raises(UserError, match=r"^download cache \S+: File exists; expected a writable folder$"):
        fetch(ARCHIVE)
    assert pip.commands == []


def test_the_cache_is_in_the_home_folder_unless_said(monkeypatch, tmp_path):
    monkeypatch.delenv("OVEROPT_CACHE", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache_folder() == tmp_path / ".cache" / "overopt"


def test_sha256_is_that_of_the_bytes(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert sha256_of(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
