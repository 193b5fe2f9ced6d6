"""What a study may ask of direct alignment, and the sentence where it may not."""

import pytest
import yaml

from overopt.study.parts import Cell
from overopt.study.study import STUDIES, load_study, parse_study
from overopt.util.errors import UserError

DIRECT = {
    "losses": ["dpo", "ipo"],
    "betas": [0.1, 1.0],
    "pairs": [160, 640],
    "seeds": 2,
    "run": {"batch": 64, "learning_rate": 1e-4, "looks": 4, "evaluation_samples": 4},
}


def fields_with(**changes):
    """The file of `smoke` with direct alignment, of which these fields are others; those of `run` among them."""
    direct = DIRECT | {name: value for name, value in changes.items() if name in DIRECT}
    run = DIRECT["run"] | {name: value for name, value in changes.items() if name not in DIRECT}
    return yaml.safe_load((STUDIES / "smoke.yaml").read_text()) | {"direct": direct | {"run": run}}


def test_a_run_for_each_number_of_pairs_and_seed_the_first_seed_first():
    study = parse_study(fields_with(epochs=3))
    assert study.direct.cells("7k") == [
        Cell("7k", 160, 3, 0),
        Cell("7k", 640, 3, 0),
        Cell("7k", 160, 3, 1),
        Cell("7k", 640, 3, 1),
    ]
    assert study.smallest_batch == 64
    assert parse_study(fields_with(batch=8)).smallest_batch == 8


def test_a_study_without_says_nothing_of_it():
    assert "direct" not in load_study("smoke").model_dump(mode="json")
    assert "embedding_gain" not in parse_study(fields_with()).model_dump(mode="json")["direct"]["run"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"losses": ["kto"]}, "direct.losses.0: found 'kto'"),
        ({"losses": []}, "direct.losses: found []"),
        ({"betas": [0.1, 0.0]}, "direct.betas.1: found 0.0"),
        ({"betas": [0.1, 0.1]}, "direct.betas: found 0.1, 0.1, expected each once"),
        ({"pairs": [640, 721]}, "direct.pairs: found 721, expected at most the 720 training pairs"),
        ({"batch": 161}, "direct.run.batch: found 161, expected at most 160 pairs"),
        (
            {"evaluation_samples": 81},
            "direct.run.evaluation_samples: found 81, expected at most the 80 of best_of_n.samples",
        ),
        ({"steps": 3}, "direct.run.steps: found 3"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(tmp_path, changes, sentence):
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(fields_with(**changes)))
    with pytest.raises(UserError) as caught:
        load_study(file)
    assert str(caught.value).startswith(f"mine.yaml: {sentence}")
    assert "\n" not in str(caught.value)
