"""What notebooks print around the figures."""

from types import SimpleNamespace

import pytest

from overopt.report import page
from overopt.study.study import load_study

RECORD = {"seeds": [0, 1], "git": "a" * 40, "seconds": 60.0, "device": "cpu", "key": "b" * 64}


@pytest.mark.parametrize(
    ("changes", "named"),
    [({}, "smoke"), ({"seed": 7}, "YOUR_STUDY.yaml"), ({"name": "mine"}, "YOUR_STUDY.yaml")],
)
def test_a_page_says_how_to_make_it_again(changes, named):
    results = SimpleNamespace(study=load_study("smoke").model_copy(update=changes), record=RECORD)
    text = page.about(results, "index").data
    assert f"make report STUDY={named}\n" in text
    assert f"-p study {named}\n" in text
