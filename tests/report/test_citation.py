"""What a reader cites and takes along: BibTeX of paper and project, and the tables as files of the book."""

import json
import re

import pytest
import yaml

from overopt import __version__, api
from overopt.data import reviews
from overopt.report import citation, downloads, worlds
from overopt.study.study import load_study
from overopt.util.errors import UserError
from overopt.util.paths import ROOT


@pytest.fixture(scope="module")
def results():
    return api.load_results("published")


def test_the_box_cites_the_paper_and_this_project():
    box = citation.say_citation()
    paper, project = re.findall(r"```bibtex\n(.*?)\n```", box, re.DOTALL)
    assert paper.startswith("@inproceedings{gao2022scaling,")
    assert "2210.10760" in paper
    assert paper.count("{") == paper.count("}")
    assert f"version = {{{__version__}}}" in project
    assert "(https://arxiv.org/abs/2210.10760)" in box


def test_a_person_and_a_repository_are_cited_where_they_are_known():
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    people = [{"family-names": "Gao", "given-names": "Leo"}, {"name": "A group"}]
    entry = citation.project_entry(
        cff | {"authors": people, "repository-code": "https://x.org/y", "date-released": "2026-01-02"}
    )
    assert "author = {Gao, Leo and {A group}}," in entry
    assert "url = {https://x.org/y}," in entry
    assert "year = {2026}," in entry


def test_an_unknown_entry_is_refused():
    with pytest.raises(UserError, match=r"references.bib: found no entry 'nobody'"):
        citation.paper_entry("@misc{somebody,\n}\n", "nobody")


def test_every_reference_can_be_followed():
    entries = (ROOT / "book" / "references.bib").read_text(encoding="utf-8").split("\n@")
    assert len(entries) > 10
    without = [
        entry[:40] for entry in entries if not re.search(r"^  (url|doi|eprint) = ", entry, re.MULTILINE)
    ]
    assert without == []


def test_linked_tables_are_copied_as_they_are(results, tmp_path):
    downloads.place(results, tmp_path)
    said = downloads.say_files(results) + downloads.say_short(results)
    linked = set(re.findall(r'href="([^"]+)"', said))
    assert {"tables/published/verdicts.json", "tables/published/curves.parquet"} <= linked
    assert linked == {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    verdicts = json.loads((tmp_path / "tables/published/verdicts.json").read_text())
    assert verdicts == list(results.verdicts)
    name = "curves.parquet"
    assert (tmp_path / "tables/published" / name).read_bytes() == (results.folder / name).read_bytes()


def test_every_file_of_a_study_is_named(results):
    """A table that a stage begins to write gets a line here."""
    assert {path.name for path in results.folder.iterdir()} <= set(downloads.FILES)


def test_the_committed_book_links_the_committed_tables(tmp_path):
    downloads.place_committed(tmp_path)
    there = {path.name for path in (tmp_path / "tables" / downloads.COMMITTED).iterdir()}
    committed = {path.name for path in (ROOT / "results" / downloads.COMMITTED).iterdir()}
    assert there == committed | {downloads.VERDICTS}


def test_the_packages_of_the_data_are_linked_at_the_version_that_is_verified():
    said = worlds.say_data(load_study("laptop"))
    for archive in (reviews.REVIEWS, reviews.RATINGS):
        assert f"(https://pypi.org/project/{archive.package}/{archive.version}/)" in said
    assert worlds.say_data(load_study("pretrained-cpu")) == ""
