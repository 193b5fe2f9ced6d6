"""The page on other people's models: what was found comes first, then what it costs, then how it is done."""

from dataclasses import replace

import pytest

from overopt import api
from overopt.analysis.evidence import Evidence
from overopt.report import pretrained
from overopt.util.paths import ROOT


@pytest.fixture(scope="module")
def evidence():
    return Evidence(api.load_results(pretrained.STUDY))


def test_the_page_goes_from_the_result_to_the_prices_to_the_manual():
    text = (ROOT / "notebooks" / "08_other_models.py").read_text(encoding="utf-8")
    marks = (
        "say_outcome",
        "fig-pretrained-bon",
        "fig-pretrained-ppo",
        "pretrained.costs",
        '"gpu"',
        "# ```yaml",
    )
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places)


def test_the_outcome_comes_before_how_it_was_measured(evidence):
    said = pretrained.say_outcome(evidence)
    assert said.startswith("**Best-of-n.** The highest gold")
    assert said.index("highest gold") < said.index("seed") < said.index("Study `pretrained-cpu`")
    ppo = pretrained.say_ppo(evidence)
    assert ppo.startswith("**PPO.** By the points of the mean, gold ends")
    runs = evidence.plain.filter(method="ppo")["record"].n_unique()
    assert f"The {runs} runs took" in ppo


def test_gold_is_described_from_the_chain(evidence):
    said, chain = pretrained.say_gold(evidence), evidence.results.chain
    assert f"{chain['pairs']['train']:,} pairs for training" in said
    assert f"{chain['gold']['pearson']:.2f}" in said
    assert pretrained.say_ppo(evidence).endswith(pretrained.UNGATED)
    del evidence.results.chain["gold"]["pearson"]
    assert "correlation" not in pretrained.say_gold(evidence)
    assert pretrained.UNGATED not in pretrained.say_ppo(
        evidence
    )  # a gold by name: what it was shown is not known


def test_models_are_named_of_the_study_that_has_them(evidence):
    other = replace(evidence.results, study=evidence.results.study.model_copy(update={"name": "mine"}))
    assert "SmolLM2" in pretrained.say_models(evidence)
    assert pretrained.say_models(Evidence(other)) == pretrained.say_models(None) == ""


def test_a_book_without_the_study_says_so():
    assert "is not in this book yet" in pretrained.say_outcome(None)
    assert pretrained.say_gold(None) == pretrained.say_ppo(None) == ""
