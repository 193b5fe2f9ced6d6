"""Long runs of `overopt judge`: what was measured is never measured again, and never answers another question."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from judge_fixtures import PROMPTS, judge_models  # noqa: F401
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, GenerationConfig

from overopt.engine.runner import make_runtime
from overopt.models import identity
from overopt.models.identity import ModelFiles
from overopt.models.pretrained import load_policy
from overopt.models.samples import Samples
from overopt.models.text_reward import RewardModel
from overopt.rewards import judge_question, judge_stages
from overopt.rewards.judge import measure
from overopt.rewards.judge_question import Judge, Question
from overopt.rewards.judge_run import JudgeRun
from overopt.util.errors import UserError

QUESTION = Question(PROMPTS, samples=4, completion_tokens=6)

KILLED = r"""
import json, os, signal, sys
from pathlib import Path
from overopt.engine import store
from overopt.engine.runner import make_runtime
from overopt.rewards import judge_stages
from overopt.rewards.judge_question import Judge, Question
from overopt.rewards.judge_run import JudgeRun
told = json.loads(sys.argv[1])
store.git_state = lambda: {"commit": None, "changed": None}
scored, score = [], judge_stages.checked_scores
def checked(*args):
    scored.append(args)
    if len(scored) == 6:  # of base, of the first policy, and gold's of the second
        os.kill(os.getpid(), signal.SIGKILL)
    return score(*args)
judge_stages.checked_scores = checked
question = Question(told["prompts"], samples=4, completion_tokens=6)
judges = {kind: Judge(name) for kind, name in told["judges"].items()}
JudgeRun(told["policies"], told["base"], judges, question, Path(told["kept"])).table(make_runtime("cpu"))
"""


@pytest.fixture
def drawn(monkeypatch):
    """The policies that samples are drawn of from now on."""
    found = []
    sample_many = judge_stages.sample_many

    def watched(model, *args, **options):
        found.append(model.name_or_path)
        return sample_many(model, *args, **options)

    monkeypatch.setattr(judge_stages, "sample_many", watched)
    return found


def judged(models, kept, question=QUESTION):
    return JudgeRun(**models, question=question, kept=kept).table(make_runtime("cpu", batch=64))


def keys(models, kept, question=QUESTION):
    """The keys of everything that a run measures."""
    return [stage.key for one in JudgeRun(**models, question=question, kept=kept).policies for stage in one]


def test_the_numbers_are_those_of_measure(models, tmp_path):
    base, tokenizer = load_policy(models["base"])
    table = measure(
        {name: lambda name=name: load_policy(name) for name in models["policies"]},
        base,
        tokenizer,
        PROMPTS,
        {kind: RewardModel(judge.name) for kind, judge in models["judges"].items()},
        samples=4,
        completion_tokens=6,
    )
    assert table.equals(judged(models, tmp_path / "kept"))
    assert table["kl"].n_unique() == 4
    assert table["gold"].n_unique() == 4


def test_completions_that_end_otherwise_are_judged_as_measure_judges_them(models, tmp_path):
    """A policy for chats may end a turn and a text by two tokens, of which reward models know one."""
    tokenizer = load_policy(models["base"])[1]
    ends = [tokenizer.eos_token_id, tokenizer.bos_token_id]
    for folder in (models["base"], models["policies"][0]):
        GenerationConfig(eos_token_id=ends).save_pretrained(folder)
        path = Path(folder) / "model.safetensors"
        weights = load_file(path)
        weights["lm_head.weight"][ends[1]] = 4 * weights["lm_head.weight"].abs().mean(0)
        save_file(weights, path, metadata={"format": "pt"})
    models |= {"policies": models["policies"][:1], "judges": {"gold": models["judges"]["gold"]}}
    kept = tmp_path / "kept"
    table = judged(models, kept)
    run = JudgeRun(**models, question=QUESTION, kept=kept)
    drawn = Samples.load(run.store.path(run.policies[1].samples) / "samples.safetensors")
    assert 0 < drawn.ended(ends[1]).sum() < len(drawn)
    base, tokenizer = load_policy(models["base"])
    policies = {models["policies"][0]: lambda: load_policy(models["policies"][0])}
    gold = RewardModel(models["judges"]["gold"].name)
    sizes = {"samples": 4, "completion_tokens": 6}
    assert table.equals(measure(policies, base, tokenizer, PROMPTS, {"gold": gold}, **sizes))


def test_a_run_that_was_killed_goes_on(models, tmp_path, drawn):
    whole, kept = judged(models, tmp_path / "whole"), tmp_path / "kept"
    drawn.clear()
    judges = {kind: judge.name for kind, judge in models["judges"].items()}
    told = json.dumps(models | {"judges": judges, "prompts": PROMPTS, "kept": str(kept)})
    done = subprocess.run([sys.executable, "-c", KILLED, told], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    (half,) = kept.glob("*/*.work")
    (half / "scores.safetensors").write_bytes(b"half of it")
    run = JudgeRun(**models, question=QUESTION, kept=kept)
    assert run.there() == 2  # base and the first policy
    table = run.table(make_runtime("cpu", batch=64))
    assert table.equals(whole)
    assert drawn == [models["policies"][2]]  # the second's samples were there, its proxy's scores were not
    assert not list(kept.glob("*/*.work"))
    assert run.there() == 4
    # everything is there: no model is loaded
    for name in (*models["policies"], models["base"]):
        (Path(name) / "model.safetensors").touch()
    again = JudgeRun(**models, question=QUESTION, kept=kept)
    assert again.table(make_runtime("cpu")).equals(whole)
    assert "on_cpu" not in vars(again.models)
    assert len(drawn) == 1


def test_a_policy_that_is_added_is_all_that_is_measured(models, tmp_path, drawn):
    judged(models | {"policies": models["policies"][:2]}, tmp_path / "kept")
    drawn.clear()
    table = judged(models, tmp_path / "kept")
    assert drawn == models["policies"][2:]
    assert table["policy"].to_list() == ["base", *models["policies"]]


def test_a_result_that_was_damaged_is_measured_again(models, tmp_path, drawn):
    whole = judged(models, tmp_path / "kept")
    drawn.clear()
    run = JudgeRun(**models, question=QUESTION, kept=tmp_path / "kept")
    file = run.store.folder(run.policies[1].samples) / "samples.safetensors"
    *most, last = file.read_bytes()
    file.write_bytes(bytes([*most, last ^ 1]))
    assert judged(models, tmp_path / "kept").equals(whole)
    assert drawn == models["policies"][:1]


def other_weights(folder):
    path = Path(folder) / "model.safetensors"
    tensors = load_file(path)
    name = sorted(tensors)[0]
    tensors[name] = tensors[name] + 1e-3
    save_file(tensors, path, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ("policy", 12),  # only the second policy's four results are others
        ("gold", 12),
        ("proxy", 12),
        ("base", 0),
        ("tokenizer", 0),
    ],
)
def test_other_weights_are_never_answered_with_old_scores(models, tmp_path, changed, same):
    before = keys(models, tmp_path)
    assert len(set(before)) == 16
    if changed == "tokenizer":
        path = Path(models["base"]) / "tokenizer_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"clean_up_tokenization_spaces": True}))
    else:
        folders = {kind: judge.name for kind, judge in models["judges"].items()} | {
            "base": models["base"],
            "policy": models["policies"][1],
        }
        other_weights(folders[changed])
        models["judges"] = {kind: Judge(judge.name) for kind, judge in models["judges"].items()}
    after = keys(models, tmp_path)
    assert sum(a == b for a, b in zip(before, after, strict=True)) == same


@pytest.mark.parametrize(
    "other",
    [
        Question([*PROMPTS[:2], "A slow start and"], 4, 6),
        Question(PROMPTS[::-1], 4, 6),
        Question(PROMPTS, 5, 6),
        Question(PROMPTS, 4, 7),
        Question(PROMPTS, 4, 6, chat=True),
        Question(PROMPTS, 4, 6, seed=1),
    ],
    ids=["prompt", "order", "samples", "tokens", "chat", "seed"],
)
def test_another_question_is_never_answered_with_old_scores(models, tmp_path, other):
    assert not set(keys(models, tmp_path)) & set(keys(models, tmp_path, other))


@pytest.mark.parametrize("package", judge_question.PACKAGES)
def test_other_libraries_are_never_answered_with_old_scores(models, tmp_path, monkeypatch, package):
    before, version = keys(models, tmp_path), judge_question.version
    monkeypatch.setattr(judge_question, "version", lambda name: "0.0.1" if name == package else version(name))
    assert not set(before) & set(keys(models, tmp_path, Question(PROMPTS, 4, 6)))


def test_how_a_judge_reads_is_part_of_what_it_says(models, tmp_path):
    gold = models["judges"]["gold"].name
    found = [
        keys(models | {"judges": models["judges"] | {"gold": judge}}, tmp_path)
        for judge in (
            Judge(gold),
            Judge(gold, reads="text"),
            Judge(gold, ends="nothing"),
            Judge(gold, logit="a"),
        )
    ]
    for k, other in enumerate(found[1:]):
        assert sum(a == b for a, b in zip(found[k], other, strict=True)) == 12  # gold's scores are others
    before = keys(models, tmp_path)
    (Path(gold) / "README.md").write_text("another card")
    models["judges"]["gold"] = Judge(gold)
    assert sum(a == b for a, b in zip(before, keys(models, tmp_path), strict=True)) == 12


def test_names_and_what_trainers_leave_change_nothing(models, tmp_path):
    before = keys(models, tmp_path)
    moved = tmp_path / "moved"
    shutil.copytree(models["policies"][1], moved)
    (moved / "optimizer.pt").write_bytes(b"moments")
    (moved / "checkpoint-100").mkdir()
    (moved / "checkpoint-100" / "model.safetensors").write_bytes(b"weights of another")
    policies = [models["policies"][0], str(moved), models["policies"][2]]
    assert keys(models | {"policies": policies}, tmp_path) == before
    (moved / "modeling.py").write_text("# code is part of a model")
    assert keys(models | {"policies": policies}, tmp_path) != before


def test_a_model_that_somebody_is_writing_is_refused(models, tmp_path):
    run = JudgeRun(**models, question=QUESTION, kept=tmp_path / "kept")
    other_weights(models["policies"][1])
    with pytest.raises(
        UserError, match=r"model .*llama.*-2: found files that changed after this run had begun"
    ):
        run.table(make_runtime("cpu"))
    # what was measured before is kept, nothing of the changed one is
    assert JudgeRun(**models, question=QUESTION, kept=tmp_path / "kept").there() == 2
    assert not list(tmp_path.glob("kept/*/*.work"))


def test_what_cannot_be_used_is_refused_before_the_work(models, tmp_path, monkeypatch, drawn, saved):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="model nowhere/there: expected a model, by hub id or as a folder"):
        judged(models | {"policies": [models["policies"][0], "nowhere/there"]}, tmp_path / "kept")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: found no config.json or adapter_config.json in it"):
        judged(models | {"base": str(tmp_path / "empty")}, tmp_path / "kept")
    unclear = saved("neox", AutoModelForSequenceClassification, num_labels=1)  # nobody says how its texts end
    with pytest.raises(UserError, match=r"reward model .*neox"):
        judged(models | {"judges": models["judges"] | {"proxy": Judge(unclear)}}, tmp_path / "kept")
    told = models | {"judges": models["judges"] | {"proxy": Judge(unclear, ends="nothing")}}
    assert judged(told, tmp_path / "kept")["proxy"].n_unique() == 4
    drawn.clear()
    with pytest.raises(UserError, match=r"prompt 1: found .* tokens, expected 1 to 41"):
        judged(models, tmp_path / "kept", Question(["The film " * 30], 4, 7))
    assert drawn == []


def test_a_gold_without_an_opinion_is_refused_before_a_second_policy_is_drawn(models, tmp_path, drawn):
    path = Path(models["judges"]["gold"].name) / "model.safetensors"
    save_file(
        {name: torch.zeros_like(x) for name, x in load_file(path).items()}, path, metadata={"format": "pt"}
    )
    with pytest.raises(UserError, match="gold: found one score for all 12 samples of the base policy"):
        judged(models, tmp_path / "kept")
    assert drawn == [models["base"]]


def test_an_adapter_is_what_it_is_put_on(models, tmp_path):
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": models["base"]}))
    (adapter / "adapter_model.safetensors").write_bytes(b"low rank")
    seen = ModelFiles.of(str(adapter))
    before = seen.identity
    assert before["adapts"] == ModelFiles.of(models["base"]).identity
    other_weights(models["base"])
    assert ModelFiles.of(str(adapter)).identity != before
    with pytest.raises(UserError, match=r"llama.*-0: found files that changed"):
        seen.check_unchanged()


def test_a_model_of_the_hub_is_its_commit(models, tmp_path, monkeypatch):
    found = {}
    for commit in ("a" * 40, "b" * 40):
        snapshot = tmp_path / "hub" / "models--their--policy" / "snapshots" / commit
        shutil.copytree(models["policies"][0], snapshot)
        monkeypatch.setattr(identity, "cached_file", lambda name, file, at=snapshot: str(at / file))
        files = ModelFiles.of("their/policy")
        found[commit] = files.identity
        files.check_unchanged()
    assert found == {commit: {"commit": commit} for commit in found}
