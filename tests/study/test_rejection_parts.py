"""What a study may ask of softer best-of-n and of rejection sampling, and the sentence where it may not."""

import pytest
import yaml

from overopt.study.study import STUDIES, load_study, parse_study
from overopt.util.errors import UserError

GRID = {"models": ["1k"], "pairs": [640], "seeds": 1}
RUN = {
    "prompts": 256,
    "batch": 32,
    "learning_rate": 1e-4,
    "max_steps": 4,
    "max_kl": 20,
    "spacing": 0.2,
    "evaluation_samples": 4,
}
SELECTION = {"grid": GRID, "temperatures": [0.2, 1]}
REJECTION = {"grid": GRID, "ns": [4], "run": RUN}


def fields_with(**parts):
    """The file of `smoke` with these parts."""
    return yaml.safe_load((STUDIES / "smoke.yaml").read_text()) | parts


def test_settings_are_called_by_what_is_otherwise():
    study = parse_study(fields_with(selection=SELECTION, rejection=REJECTION))
    assert [study.selection.label(tau) for tau in study.selection.temperatures] == ["tau 0.2", "tau 1"]
    assert study.rejection.label(4) == "best of 4"
    assert study.smallest_batch == 32
    assert parse_study(fields_with(rejection=REJECTION | {"run": RUN | {"batch": 7}})).smallest_batch == 7


def test_a_study_without_says_nothing_of_it():
    assert not {"selection", "rejection"} & set(load_study("smoke").model_dump(mode="json"))


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"selection": SELECTION | {"temperatures": [0.2, 0]}}, "selection.temperatures.1: found 0"),
        (
            {"selection": SELECTION | {"temperatures": [1, 1.0]}},
            "selection.temperatures: found 1.0, 1.0, expected each once",
        ),
        (
            {"selection": SELECTION | {"grid": GRID | {"seeds": 2}}},
            "selection.grid: found 1k, 640 pairs, 1 epochs, seed 1, expected proxies of proxies.grids",
        ),
        ({"rejection": REJECTION | {"ns": [1]}}, "rejection.ns.0: found 1"),
        ({"rejection": REJECTION | {"ns": []}}, "rejection.ns: found []"),
        ({"rejection": REJECTION | {"ns": [4, 4]}}, "rejection.ns: found 4, 4, expected each once"),
        ({"rejection": REJECTION | {"run": RUN | {"clip": 0.2}}}, "rejection.run.clip: found 0.2"),
        (
            {"rejection": REJECTION | {"grid": GRID | {"pairs": [100]}}},
            "rejection.grid: found 1k, 100 pairs, 1 epochs, seed 0, expected proxies of proxies.grids",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(tmp_path, parts, sentence):
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(fields_with(**parts)))
    with pytest.raises(UserError) as caught:
        load_study(file)
    assert str(caught.value).startswith(f"mine.yaml: {sentence}")
    assert "\n" not in str(caught.value)
