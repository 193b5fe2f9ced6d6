"""What a study may say of ensembles, and what its curves are then called."""

import re
from typing import get_args

import pytest
import yaml
from pydantic import ValidationError

from overopt.analysis.curves import ENSEMBLES
from overopt.study.ensemble_parts import Ensembles, How
from overopt.study.study import load_study
from overopt.util.errors import UserError
from overopt.util.paths import ROOT

GRID = {"models": ["1k"], "pairs": [640], "seeds": 4}
GOOD = {"grid": GRID, "members": 2, "joins": ["mean", "variance"], "weight": 0.5}


def test_every_way_has_a_name_that_the_curves_table_knows():
    assert re.fullmatch(ENSEMBLES, "single")
    for weight in (0.5, 1e-5, 1e20):
        made = Ensembles.model_validate(GOOD | {"joins": get_args(How), "members": 4, "weight": weight})
        labels = [made.label(how) for how in made.joins]
        assert len(set(labels)) == len(get_args(How)) == 4
        assert all(re.fullmatch(ENSEMBLES, label) for label in labels)
    for unknown in ("", "mean", "best of 5", "mean of 5, weight", "single of 5"):
        assert not re.fullmatch(ENSEMBLES, unknown)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"members": 3}, "grid.seeds: found 4, expected a multiple of members = 3"),
        ({"ppo": ["worst"]}, "ppo: found 'worst', expected some of joins: mean, variance"),
        ({"weight": None}, "weight: found None, expected one with variance"),
        ({"joins": ["mean"]}, "weight: found 0.5, expected one with variance, and without it none"),
    ],
)
def test_what_does_not_agree_is_named(changes, named):
    with pytest.raises(ValidationError, match=re.escape(named)):
        Ensembles.model_validate(GOOD | changes)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"members": 1}, "mine.yaml: ensembles.members: found 1"),
        ({"members": 3}, "mine.yaml: ensembles.grid.seeds: found 4, expected a multiple of members = 3"),
        ({"joins": ["best"]}, "mine.yaml: ensembles.joins.0: found 'best'"),
        ({}, "mine.yaml: ensembles.grid: found 1k, 640 pairs, 1 epochs, seed 1, expected proxies of proxies.grids"),
    ],
)  # fmt: skip
def test_a_study_says_so_in_one_sentence(tmp_path, changes, named):
    fields = load_study("smoke").model_dump(mode="json") | {"ensembles": GOOD | changes}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(fields))
    with pytest.raises(UserError) as caught:
        load_study(tmp_path / "mine.yaml")
    assert str(caught.value).startswith(named)


def test_what_contributing_shows_is_what_a_study_takes():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    first, second = re.search(r"`(ensembles: .*),` and\s+`(ppo: .*})`", text).groups()
    made = Ensembles.model_validate(yaml.safe_load(f"{first}, {second}")["ensembles"])
    assert "worst of 5" in [made.label(how) for how in made.joins]


def test_a_study_without_ensembles_says_nothing_of_them():
    assert "ensembles" not in load_study("smoke").model_dump(mode="json")
