"""`overopt judge` on other devices, in several processes, and with vLLM: the same question, the same table."""

import json
import sys

import polars as pl
import pytest
import torch
from fake_vllm import fake_vllm  # noqa: F401
from judge_fixtures import PROMPTS, judge_command_line, judge_models  # noqa: F401
from launching import launch
from polars.testing import assert_frame_equal

from overopt.cli.commands import main
from overopt.engine.runner import make_runtime
from overopt.models.log_probs import sample_kl
from overopt.models.pretrained import load_policy
from overopt.models.samples import Samples
from overopt.rewards.judge_question import Question
from overopt.rewards.judge_run import JudgeRun


@pytest.fixture
def command(command_line, monkeypatch):
    """Runs the command in this process; gives where its table is, or ends as the command does."""

    def run(name, *more):
        words, out = command_line(name, *more)
        monkeypatch.setattr(sys, "argv", ["overopt", *words])
        main()
        return out

    return run


def kept_samples(folder):
    """Token ids of all samples that are kept, by the key of their result."""
    files = sorted(folder.glob("overopt-kept/judged_samples/*/samples.safetensors"))
    return {file.parent.name: Samples.load(file).ids for file in files}


def test_two_processes_measure_what_one_does(command, command_line):
    one = command("one")
    words, two = command_line("two", "--device", "cpu")
    said = launch("-m", "overopt", *words)
    # said once, by one of them
    assert said.count("policies are measured already") == said.count("policies, the base one first") == 1
    assert said.count("in 2 processes") == 16
    samples = [kept_samples(out.parent) for out in (one, two)]
    assert samples[0].keys() == samples[1].keys()
    assert len(samples[0]) == 4
    assert all(torch.equal(samples[0][key], samples[1][key]) for key in samples[0])
    assert_frame_equal(pl.read_csv(one), pl.read_csv(two), rel_tol=1e-5, abs_tol=1e-6)
    # what several processes kept, one finds
    two.rename(two.with_name("before.csv"))
    assert command("two").read_bytes() == two.with_name("before.csv").read_bytes()


@pytest.mark.parametrize("device", ["cuda:9", "gpu", "meta", "cuda:x", ""])
def test_a_device_that_is_not_there_is_refused(command, capsys, device):
    with pytest.raises(SystemExit) as ended:
        command("refused", "--device", device)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"overopt: device: found {device!r}, expected auto, cpu or a GPU that torch can use"


def test_the_command_says_where_it_keeps_what_and_goes_on(command, capsys):
    out = command("kept")
    said = capsys.readouterr().out.splitlines()
    kept = out.parent / "overopt-kept"
    assert said[0] == f"0 of 4 policies are measured already: samples and scores are kept in {kept}"
    before, found = out.read_bytes(), sorted(kept.rglob("*"))
    out.unlink()
    assert command("kept", "--batch", "3").read_bytes() == before  # how is no part of what
    assert capsys.readouterr().out.startswith("4 of 4 policies are measured already")
    assert sorted(kept.rglob("*")) == found
    assert not list(kept.glob("*/*.work"))


def test_vllm_draws_and_the_kl_is_ours(command, vllm, models):
    ours, theirs = pl.read_csv(command("ours")), pl.read_csv(command("theirs", "--sampler", "vllm"))
    assert vllm.loaded == [models["base"], *models["policies"]]
    assert vllm.alive == 0
    assert theirs.columns == ours.columns
    assert (theirs["kl"] != ours["kl"])[1:].all()  # other random numbers: other results, kept apart
    assert theirs["kl"].to_list() == pytest.approx(ours["kl"].to_list(), rel=0.5)
    # the KL is that of the completions that vLLM drew
    run = JudgeRun(
        **models,
        question=Question(PROMPTS, 4, 6, sampler="vllm"),
        kept=command("theirs", "--sampler", "vllm").parent / "overopt-kept",
    )
    assert run.there() == 4
    assert len(vllm.loaded) == 4
    drawn = Samples.load(run.store.path(run.policies[1].samples) / "samples.safetensors")
    policy, base = (load_policy(name)[0] for name in (models["policies"][0], models["base"]))
    assert sample_kl(policy, base, drawn).exact.mean().item() == pytest.approx(theirs["kl"][1], abs=1e-5)
    assert torch.equal(drawn.prompts.ids[0], drawn.prompts.ids[3])


def test_samples_of_another_vllm_are_others(vllm, models, tmp_path):
    def keys():
        question = Question(PROMPTS, 4, 6, sampler="vllm")
        return [
            stage.key
            for one in JudgeRun(**models, question=question, kept=tmp_path).policies
            for stage in one
        ]

    before = keys()
    assert keys() == before
    vllm.__version__ = "0.0.1"
    assert not set(keys()) & set(before)


def test_vllm_that_is_not_installed_is_refused_before_the_work(command, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(SystemExit) as ended:
        command("refused", "--sampler", "vllm")
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert said.err.startswith("overopt: sampler: found vllm asked for but not installed, expected `pip")
    assert said.out == ""


def test_vllm_in_several_processes_is_refused(command, vllm, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SystemExit) as ended:
        command("refused", "--sampler", "vllm")
    assert ended.value.code == 2
    assert "sampler: found vllm in several processes, expected one" in capsys.readouterr().err
    assert vllm.loaded == []


def test_vllm_is_not_asked_for_adapters(command, vllm, models, tmp_path, capsys):
    adapters = tmp_path / "adapters"
    adapters.mkdir()
    (adapters / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": models["base"]}))
    models["policies"][1] = str(adapters)
    with pytest.raises(SystemExit) as ended:
        command("refused", "--sampler", "vllm")
    assert ended.value.code == 2
    assert f"sampler: found vllm and a policy that is adapters, {adapters}" in capsys.readouterr().err
    assert vllm.loaded == []


def test_a_token_that_no_text_holds_is_refused(command, vllm, capsys):
    """vLLM knows the rows that pad a vocabulary; a KL that knows them not has no meaning."""
    generate = vllm.LLM.generate

    def padded(self, *args, **options):
        answers = generate(self, *args, **options)
        answers[-1].outputs[-1].token_ids = (100_000,)
        return answers

    vllm.LLM.generate = padded
    with pytest.raises(SystemExit) as ended:
        command("refused", "--sampler", "vllm")
    assert ended.value.code == 2
    assert "found the token 100000 in what vLLM drew, expected one below" in capsys.readouterr().err


def test_auto_takes_a_gpu_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    zeros = torch.zeros
    monkeypatch.setattr(torch, "zeros", lambda *size, device: zeros(*size))
    assert make_runtime("auto").device == "cuda"
