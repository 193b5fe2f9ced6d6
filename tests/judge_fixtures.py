"""Policies and judges of other people's making, as `overopt judge` is told them."""

from pathlib import Path

import pytest
from transformers import AutoModelForSequenceClassification

CARD = "---\ntags:\n- trl\n- reward-trainer\n---\n\n- TRL: 1.16.0\n"  # says how the texts ended that it learned from
PROMPTS = ["The film", "It was", "A slow start and a"]


@pytest.fixture(name="models")
def judge_models(saved, monkeypatch):
    """What a run is told: folders of a base policy, three policies, and two judges."""
    # a record of every stage asks git, which takes longer than these models do
    monkeypatch.setattr("overopt.engine.store.git_state", lambda: {"commit": None, "changed": None})
    from overopt.rewards.judge_question import Judge

    judges = {}
    for seed, kind in enumerate(("gold", "proxy"), 7):
        judges[kind] = Judge(saved("gpt2", AutoModelForSequenceClassification, seed=seed, num_labels=1))
        Path(judges[kind].name, "README.md").write_text(CARD)
    policies = [saved("llama", seed=seed) for seed in (1, 2, 3)]
    return {"policies": policies, "base": saved("llama"), "judges": judges}


@pytest.fixture(name="command_line")
def judge_command_line(models, tmp_path):
    """Makes the words of a command that measures them, and writes `NAME.csv` in a folder of that name."""
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("\n".join(PROMPTS))

    def words(name, *more):
        (tmp_path / name).mkdir(exist_ok=True)
        told = {"--base": models["base"], "--prompts": str(prompts)} | {
            f"--{kind}": judge.name for kind, judge in models["judges"].items()
        }
        out = tmp_path / name / f"{name}.csv"
        sizes = ["--samples", "4", "--tokens", "6", "--out", str(out)]
        return [
            "judge",
            *models["policies"],
            *(x for pair in told.items() for x in pair),
            *sizes,
            *more,
        ], out

    return words
