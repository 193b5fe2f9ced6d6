"""Studies load whole or not at all, with one sentence that names the field."""

import pytest
import yaml
from pydantic import ValidationError

from overopt.study.parts import Shape
from overopt.study.study import STUDIES, available, load_study, parse_study
from overopt.util.errors import UserError

PAPER = (256, 0.2, 0.95)  # completions an iteration, clip, lambda of GAE: where the paper states a setting
DEPARTURES = {
    "pretrained-cpu": (64, 0.2, 0.95),  # 256 completions of SmolLM2 take two cores too long, as its page says
}
GRID = {"models": ["1k"], "pairs": [640], "seeds": 1}


@pytest.fixture
def fields():
    return yaml.safe_load((STUDIES / "smoke.yaml").read_text())


@pytest.fixture
def refused(tmp_path, fields):
    """Makes the sentence with which a study is refused whose field `path` is `value`."""

    def sentence(path, value):
        *parents, last = path.split(".")
        place = fields
        for name in parents:
            place = place[name]
        place[last] = value
        file = tmp_path / "mine.yaml"
        file.write_text(yaml.safe_dump(fields, sort_keys=False))
        with pytest.raises(UserError) as caught:
            load_study(file)
        text = str(caught.value)
        assert "\n" not in text
        assert text.startswith("mine.yaml: ")
        return text

    return sentence


@pytest.mark.parametrize("name", available())
def test_every_study_of_the_project_loads(name):
    study = load_study(name)
    assert study.name == name
    assert load_study(str(STUDIES / f"{name}.yaml")) == study
    if study.ppo:
        run = study.ppo.run
        assert (run.batch, run.clip, run.gae_lambda) == DEPARTURES.get(name, PAPER)
        assert study.ppo.grids[0].kl_penalties[0] == 0


def test_there_is_a_study_for_tests():
    assert "smoke" in available()


def test_a_study_cannot_be_changed():
    study = load_study("smoke")
    for part, field, value in (
        (study, "seed", 1),
        (study.ppo.run, "clip", 1.0),
        (study.models["1k"].shape, "width", 9),
    ):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(part, field, value)


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("colour", "red", "colour: found 'red'"),
        ("text.words", 3, "text.words: found 3"),
        ("ppo.run.lr", 0.1, "ppo.run.lr: found 0.1"),
        ("seed", "zero", "seed: found 'zero'"),
        ("seed", -1, "seed: found -1"),
        ("seed", 1.5, "seed: found 1.5"),
        ("world", "moon", "world: found 'moon'"),
        ("name", "Not A Name", "name: found 'Not A Name'"),
        ("models.1k.learning_rate", 0, "models.1k.learning_rate: found 0"),
        ("models.1k.learning_rate", "1e-2", None),  # YAML reads 1e-2 as text; pydantic as the number it is
        ("models.1k.shape.layers", 0, "models.1k.shape.layers: found 0"),
        ("models", None, "models: found None"),
        ("pairs.validation", 1.0, "pairs.validation: found 1.0"),
        ("ppo.grids", [{"grid": GRID, "kl_penalties": [-0.1]}], "ppo.grids.0.kl_penalties.0: found -0.1"),
        ("ppo.grids", [{"grid": GRID, "policies": ["9k"]}], "ppo.grids.policies: found '9k'"),
        ("policy", "9k", "mine.yaml: policy: found '9k', expected one of models: 1k, 7k"),
        ("gold.language", "9k", "gold.language: found '9k'"),
        ("gold.doubted", 1.5, "gold.doubted: found 1.5"),
        ("gold.colour", "red", "gold.colour: found 'red'"),
        ("gold", {"rating": {}}, "gold.rating.steps: found nothing, expected this field"),
        ("gold.rating.steps", 0, "gold.rating.steps: found 0"),
        ("gold.real.model", "9k", "gold.real.model: found '9k'"),
        ("sharpening.judge", "9k", "sharpening.judge: found '9k'"),
        ("ppo_sweep.model", "9k", "ppo_sweep.model: found '9k'"),
        ("ppo.value_model", "9k", "ppo.value_model: found '9k'"),
        ("proxies.grids", [GRID | {"models": ["1k", "9k"]}], "proxies.grids.models: found '9k'"),
        (
            "proxies.learning_rates",
            {"1k": 0.01},
            "proxies.learning_rates: expected one for each model of proxies.grids",
        ),
        ("proxies.grids", [], "proxies.grids: found []"),
        (
            "ppo.grids",
            [{"grid": GRID | {"seeds": 3}}],
            "ppo.grids: found 1k, 640 pairs, 1 epochs, seed 1, expected proxies of proxies.grids",
        ),
        (
            "far_best_of_n.grid",
            GRID | {"pairs": [128]},
            "far_best_of_n.grid: found 1k, 128 pairs, 1 epochs, seed 0, expected proxies of proxies.grids",
        ),
        ("iterated.rounds", [1], "iterated.rounds.0: found 1"),
        ("pairs.per_prompt", 3, "pairs.count: found 800, expected a multiple of per_prompt = 3"),
        (
            "gold.rating.shape",
            {"layers": 1, "width": 16, "heads": 4},
            "gold.rating: found 3,312 parameters, expected more than the 7,272 of the largest proxy",
        ),
        (
            "proxies.grids",
            [GRID | {"pairs": [640, 10_000]}],
            "proxies.grids.pairs: found 10000, expected at most the 720 training pairs",
        ),
        ("best_of_n.max_n", 81, "best_of_n.max_n: found 81, expected at most samples = 80"),
        ("prompt_groups", 5, "best_of_n.prompts: found 16, expected a multiple of prompt_groups = 5"),
        (
            "ppo.run.minibatch",
            100,
            "mine.yaml: ppo.run.minibatch: found 100, expected a divisor of batch = 256",
        ),
    ],
)
def test_a_wrong_field_is_named_in_one_sentence(refused, tmp_path, fields, path, value, named):
    if named is None:
        fields["models"]["1k"]["learning_rate"] = value
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(fields, sort_keys=False))
        assert load_study(tmp_path / "mine.yaml").models["1k"].learning_rate == float(value)
    else:
        assert named in refused(path, value)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            {"models": {"judge": {"half": "first"}}},
            "gold.language: found 'judge', expected a model of the half of the reviews that policy and proxies do not read",
        ),
        ({"models": {"judge": {"half": None}}}, "gold.language: found 'judge', expected a model of the half"),
        ({"gold": {"language": "7k"}}, "gold.language: found '7k', expected a model of the half"),
        ({"gold": {"real": {"model": "7k"}}}, "gold.real.model: found '7k', expected a model of the half"),
        ({"sharpening": {"judge": "7k"}}, "sharpening.judge: found '7k', expected a model of the half"),
        # a proxy, the value model and the policy must all read the other half
        (
            {"models": {"1k": {"half": "second"}}},
            "gold.language: found 'judge', expected a model of the half",
        ),
        ({"models": {"7k": {"half": None}}}, "gold.language: found 'judge', expected a model of the half"),
    ],
)
def test_gold_that_knows_what_the_policy_read_is_refused(fields, change, named):
    assert parse_study(fields).gold.language == "judge"
    with pytest.raises(ValidationError, match=named):
        parse_study(merged(fields, change))


def merged(fields, change):
    """The fields, with those of `change` put into them at every depth."""
    both = {
        name: merged(fields[name], of) if isinstance(of, dict) and isinstance(fields.get(name), dict) else of
        for name, of in change.items()
    }
    return fields | both


def test_a_missing_field_is_named(tmp_path, fields):
    del fields["text"]["prompt_words"]
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(fields, sort_keys=False))
    with pytest.raises(
        UserError, match=r"^mine\.yaml: text\.prompt_words: found nothing, expected this field$"
    ):
        load_study(tmp_path / "mine.yaml")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            b"name: smoke\ntext: {vocabulary: 3\n",
            r"^mine\.yaml: found broken YAML at line \d, expected a study$",
        ),
        (b"name: \xff\xfe", r"^mine\.yaml: found broken YAML, expected a study$"),
        (b"name: a\x00b", r"^mine\.yaml: found broken YAML, expected a study$"),
        (b"", r"^mine\.yaml: found NoneType, expected the fields of a study$"),
        (b"- a\n- b\n", r"^mine\.yaml: found list, expected the fields of a study$"),
        (b"1: 2\n", r"^mine\.yaml: "),
    ],
)
def test_broken_yaml_is_one_sentence(tmp_path, content, sentence):
    (tmp_path / "mine.yaml").write_bytes(content)
    with pytest.raises(UserError, match=sentence):
        load_study(tmp_path / "mine.yaml")


@pytest.mark.parametrize("name", ["nope", "../studies/nope", "nope.yaml", ""])
def test_an_unknown_study_is_one_sentence_naming_those_there_are(name):
    with pytest.raises(UserError) as caught:
        load_study(name)
    assert str(caught.value).startswith(f"study: found {name!r}, expected one of ")
    assert "smoke" in str(caught.value)


def test_positions_cover_sentences_and_samples():
    text = load_study("smoke").text
    assert text.positions == max(text.sentence_tokens, text.prompt_tokens + text.completion_tokens)
    assert text.model_copy(update={"completion_tokens": 99}).positions == text.prompt_tokens + 99


def test_a_shape_refuses_what_it_does_not_know():
    with pytest.raises(ValidationError, match="depth"):
        Shape.model_validate({"layers": 1, "width": 8, "heads": 1, "depth": 3})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda f: f["models"]["smollm2"].pop("layers"),
            "models.smollm2.layers: found nothing, expected this field",
        ),
        (
            lambda f: f["models"]["smollm2"].update(hub="a/b"),
            "models.smollm2: found hub and package, expected one of",
        ),
        (
            lambda f: f["models"]["first-1"].update(cut="none"),
            "models.cut: found 'none', expected one of models",
        ),
        (
            lambda f: f["models"]["first-1"].update(cut="first-2"),
            "models.first-1: found 'first-2', expected a model with",
        ),
        (
            lambda f: f["models"]["scratch-100k"].update(width=9),
            "width: found 9, expected a multiple of twice the 4 heads",
        ),
        (lambda f: f["gold"].update(model="none"), "gold.model: found 'none', expected one of models"),
        (
            lambda f: f.update(gold={"parameters": 1, "layers": 1, "width": 1}),
            "gold: found none, expected one of hub",
        ),
        (lambda f: f.update(prompts={"path": "x"}), "prompts.sha256: found none, expected that of the file"),
        (lambda f: f.update(prompts={}), "prompts: found none, expected one of path, dataset, reviews"),
        (lambda f: f.update(proxy_lora={"rank": 1, "alpha": 1}), "proxy_lora: found adapters without trl"),
        (lambda f: f.update(sampler="magic"), "sampler: found 'magic'"),
        (lambda f: f.update(world="moon"), "world: found 'moon', expected one of reviews, pretrained"),
    ],
)
def test_a_mistake_in_a_study_of_other_peoples_models_is_one_sentence(tmp_path, change, sentence):
    fields = yaml.safe_load((STUDIES / "pretrained-cpu.yaml").read_text(encoding="utf-8"))
    change(fields)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(fields, sort_keys=False), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_study(tmp_path / "mine.yaml")
    assert str(caught.value).startswith("mine.yaml: ")
    assert sentence in str(caught.value)
