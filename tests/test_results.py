"""The tables that are committed: they verify, and they are what the committed pages were drawn from."""

import json

import numpy as np
import polars as pl
import pytest

from overopt import api
from overopt.analysis import ppo_sweep, results
from overopt.analysis.claims import verdicts
from overopt.engine.record import read_record, verify_folder
from overopt.study.study import load_study
from overopt.util.files import read_json
from overopt.util.paths import ROOT

COMMITTED = sorted(path.parent for path in (ROOT / "results").glob("*/record.json"))


@pytest.mark.parametrize("folder", COMMITTED, ids=lambda folder: folder.name)
def test_committed_tables_verify_and_can_be_read(folder):
    assert verify_folder(folder) is None
    study = load_study(folder.name)
    assert api.committed(study) == folder  # of the study as it is today
    found = results.read(folder, study)
    assert set(found.curves["record"]) == set(found.by_prompt["record"]) >= set(found.texts["record"])


def test_committed_tables_are_left_alone_for_a_run_from_nothing_or_another_study(monkeypatch):
    study = load_study("published")
    assert api.committed(study) == ROOT / "results" / "published"
    monkeypatch.setenv(api.RECOMPUTE, "1")
    assert api.committed(study) is None
    monkeypatch.delenv(api.RECOMPUTE)
    assert api.committed(study.model_copy(update={"seed": 1})) is None
    assert api.committed(load_study("smoke")) is None


@pytest.mark.parametrize("folder", COMMITTED, ids=lambda folder: folder.name)
def test_committed_verdicts_are_by_todays_rules_and_come_from_the_tables(folder):
    """Run `overopt report STUDY --publish` where this fails."""
    study = load_study(folder.name)
    judged = ROOT / "results" / "verdicts" / folder.name
    assert api.judge(study, folder) == judged
    entries = read_json(judged / "verdicts.json")
    again = verdicts.judge_by_every_gold(results.read(folder, study))
    for entry, claim in zip(entries, verdicts.CLAIMS, strict=True):
        assert (entry["claim"], entry["text"], entry["rule"]) == (claim.number, claim.text, claim.rule)
    assert [entry["verdict"] for entry in entries] == [entry["verdict"] for entry in again]
    for name in ("statistic", "interval"):
        for entry, other in zip(entries, again, strict=True):
            found, expected = (np.array(numbers[name], dtype=float) for numbers in (entry, other))
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def test_verdicts_by_other_rules_are_not_shown(monkeypatch, tmp_path):
    """They are judged again from the tables, which the store need not hold."""
    monkeypatch.setenv("OVEROPT_STORE", str(tmp_path))
    monkeypatch.setattr(api, "RULES", "0" * 64)
    folder = ROOT / "results" / "pretrained-cpu"
    study = load_study("pretrained-cpu")
    judged = api.judge(study, folder)
    assert judged.parent == tmp_path / "verdicts"
    record = read_record(judged)
    assert record["spec"] == {"rules": "0" * 64}
    assert record["parents"] == {"tables": read_record(folder)["key"]}
    assert len(read_json(judged / "verdicts.json")) == len(verdicts.CLAIMS)
    assert api.judge(study, folder) == judged
    assert len(api.load_results("pretrained-cpu").verdicts) == len(verdicts.CLAIMS)


def test_the_committed_pages_name_the_committed_tables():
    found = results.read(ROOT / "results" / "published", load_study("published"))
    for notebook in (ROOT / "book").glob("*.ipynb"):
        cells = json.loads(notebook.read_text())["cells"]
        assert f"result `{found.record['key'][:12]}`" in json.dumps(cells), notebook.name


@pytest.mark.parametrize("folder", COMMITTED, ids=lambda folder: folder.name)
def test_committed_texts_start_from_our_own_prompts(folder):
    found = results.read(folder, load_study(folder.name))
    assert set(found.texts["prompt_text"]) <= set(found.study.show_prompts)


@pytest.mark.parametrize("folder", COMMITTED, ids=lambda folder: folder.name)
def test_texts_of_before_halves_were_told_have_none(folder):
    kept = pl.read_parquet(folder / "texts.parquet")
    found = results.read(folder, load_study(folder.name)).texts
    assert found.select(kept.columns).equals(kept)
    for half in {"rating", "gate"} - set(kept.columns):
        assert found[half].dtype == pl.Float64
        assert found[half].null_count() == found.height


@pytest.mark.parametrize("folder", COMMITTED, ids=lambda folder: folder.name)
def test_ppo_of_a_committed_study_is_the_best_of_its_sweep(folder):
    found = results.read(folder, load_study(folder.name))
    assert (found.ppo_sweep is None) == (ppo_sweep.chosen(found.study) is None)
    if found.ppo_sweep is not None:
        assert ppo_sweep.chosen(found.study) == ppo_sweep.ranking(found.ppo_sweep)["setting"][0]
