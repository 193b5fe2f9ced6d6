"""What came out where a study was measured twice."""

import json
from dataclasses import replace

import pytest
from fake_evidence import evidence

from overopt import api
from overopt.report import earlier, tables


def entry(claim, verdict, value=0.5, **rest):
    interval = None if value is None else [value - 0.1, value + 0.1]
    found = {"claim": claim, "text": f"Claim {claim}.", "verdict": verdict, "statistic": value}
    return found | {"interval": interval, "check": False} | rest


def results(*verdicts):
    return replace(evidence().results, verdicts=verdicts)


def test_changes_are_counted_apart_where_runs_were_planned_alike(monkeypatch):
    before = [entry(1, "partly"), entry(2, "holds"), entry(3, "partly", 0.7), entry(19, "holds", check=True)]
    monkeypatch.setattr(earlier, "verdicts", lambda study: before)
    now = [entry(1, "holds"), entry(2, "holds", None), entry(3, "holds"), entry(19, "holds", check=True)]
    found = earlier.twice(results(*now))
    assert found["claim"].to_list() == [1, 2, 3]
    said = earlier.say_twice(found)
    assert "2 of 3 verdicts came out otherwise" in said
    assert (
        "Of 2 whose runs were planned alike chance alone changed 1 (3), and put both intervals of none wholly"
        in said
    )
    shown = tables.printed("tab-twice", found, "Twice.")
    assert "| partly: 0.700\u00a0[0.600,\u00a00.800] | holds: 0.500\u00a0[0.400,\u00a00.600] |" in shown
    assert (
        "| holds: 0.500\u00a0[0.400,\u00a00.600] | holds: — |" in shown
    )  # nothing was measured the second time


def test_intervals_that_do_not_meet_are_named(monkeypatch):
    before = [entry(2, "holds", 0.1), entry(3, "holds", 0.9), entry(4, "holds", 0.6)]
    monkeypatch.setattr(earlier, "verdicts", lambda study: before)
    found = earlier.twice(results(entry(2, "holds"), entry(3, "holds"), entry(4, "holds")))
    assert "changed none, and put both intervals of 2 (2, 3) wholly apart" in earlier.say_twice(found)


def test_of_a_study_that_was_measured_once_nothing_is_said():
    found = earlier.twice(results(entry(2, "holds")))
    assert found.is_empty()
    assert earlier.say_twice(found) == ""
    assert "not measured before" in tables.printed("tab-twice", found, "Twice.")


def test_the_verdicts_before_verify_and_are_by_todays_rules(tmp_path, monkeypatch):
    assert len(earlier.verdicts(api.NOISE_OF)) == 20
    for path in earlier.FOLDER.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(earlier, "FOLDER", tmp_path)
    assert len(earlier.verdicts(api.NOISE_OF)) == 20
    changed = json.loads((tmp_path / "verdicts.json").read_text(encoding="utf-8"))
    changed[0]["verdict"] = "holds"
    (tmp_path / "verdicts.json").write_text(json.dumps(changed), encoding="utf-8")
    assert earlier.verdicts(api.NOISE_OF) == []


def test_verdicts_by_other_rules_are_not_set_beside_todays(monkeypatch):
    monkeypatch.setattr(earlier, "RULES", "others")
    assert earlier.verdicts(api.NOISE_OF) == []


@pytest.mark.parametrize("claim", earlier.PLANNED_ALIKE)
def test_a_claim_of_runs_planned_alike_is_no_check(claim):
    assert not next(entry for entry in earlier.verdicts(api.NOISE_OF) if entry["claim"] == claim)["check"]
