"""Which study stands beside another on its pages, and what both have."""

from dataclasses import replace

import fake_evidence
import polars as pl
import pytest

from overopt import api
from overopt.analysis import method_worlds
from overopt.analysis.method_worlds import AS_CLAIMED
from overopt.report import methods_beside
from overopt.report.pages import Page
from overopt.study.study import load_study


@pytest.fixture(scope="module")
def plain():
    return replace(fake_evidence.evidence().results, record=fake_evidence.RECORD)


@pytest.fixture
def methods(monkeypatch, plain, tmp_path):
    """Simulated results of the study `methods`, which the book has."""
    drawn = replace(method_worlds.draw(AS_CLAIMED, plain), record=fake_evidence.RECORD)
    named = replace(drawn, study=drawn.study.model_copy(update={"name": "methods"}))
    monkeypatch.setattr(api, "load_results", {"methods": named}.__getitem__)
    monkeypatch.setattr(api, "committed", lambda study: tmp_path)
    return named


def judged_alike(monkeypatch):
    monkeypatch.setattr(methods_beside, "_golds", lambda study: {"gold"})


def test_a_study_that_the_book_lacks_stands_beside_none(monkeypatch, plain):
    judged_alike(monkeypatch)
    monkeypatch.setattr(api, "committed", lambda study: None)
    assert methods_beside.beside(plain) is None


def test_it_stands_beside_those_that_its_gold_judges(methods, plain):
    published = replace(plain, study=load_study("published"))
    assert methods_beside.beside(published) is methods
    for name in ("laptop", "smoke", "pretrained-cpu", "methods"):
        assert methods_beside.beside(replace(plain, study=load_study(name))) is None, name


def test_what_both_have_is_there_once(plain):
    first = plain.curves.with_columns(study=pl.lit("first"))
    own = first["record"].unique().sort()[0]
    seed = pl.when(pl.col("record") == own).then("seed").otherwise(pl.col("seed") + 100)
    # another record, of the same run: it was made from other parts of the same study
    second = plain.curves.with_columns(study=pl.lit("second"), record=pl.col("record") + " again", seed=seed)
    found = methods_beside.all_curves([replace(plain, curves=curves) for curves in (first, second)])
    shared = first.filter(record=own).height
    assert found.height == 2 * first.height - shared
    assert found.filter(record=own)["study"].unique().to_list() == ["first"]
    assert methods_beside.all_curves([plain]).equals(plain.curves)


def test_pages_show_its_methods_where_their_study_has_none_that_are_newer(monkeypatch, methods, plain):
    judged_alike(monkeypatch)
    page = Page(plain, "09_what_helps")
    assert page.methods.results is methods
    said = page.methods_measured().data
    assert said.startswith("The study's tables hold 18 methods")
    assert said.endswith(f"Study `methods`, 60 seconds of compute, result `{'b' * 12}`.")
    assert page.what_helps().data.count("\n| ") == 2 + 18 + 5
    assert "Not measured" not in page.claims_on_methods().data
    assert len(page.studies) == 2
    assert "`methods`" in page.say_studies().data


def test_a_study_with_newer_methods_shows_its_own(monkeypatch, methods, plain):
    judged_alike(monkeypatch)
    page = Page(methods, "09_what_helps")
    assert page.methods is page.evidence
    assert page.methods_measured().data.endswith("pairs.")
    assert page.say_studies() is None
