"""Policies and judges of other people's making, as `overopt judge` is told them."""

import pytest
from transformers import AutoModelForSequenceClassification

PROMPTS = ["The film", "It was", "A slow start and a"]


@pytest.fixture(name="models")
def judge_models(saved, monkeypatch):
    """What a run is told: folders of a base policy, three policies, and two judges."""
    # a record of every stage asks git, which takes longer than these models do
    monkeypatch.setattr("overopt.engine.store.git_state", lambda: {"commit": None, "changed": None})
    judges = {
        kind: saved("gpt2", AutoModelForSequenceClassification, seed=seed, num_labels=1)
        for seed, kind in enumerate(("gold", "proxy"), 7)
    }
    policies = [saved("llama", seed=seed) for seed in (1, 2, 3)]
    return {"policies": policies, "base": saved("llama"), "scorers": judges}


@pytest.fixture(name="command_line")
def judge_command_line(models, tmp_path):
    """Makes the words of a command that measures them, and writes `NAME.csv` in a folder of that name."""
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("\n".join(PROMPTS))

    def words(name, *more):
        (tmp_path / name).mkdir(exist_ok=True)
        told = {"--base": models["base"], "--prompts": str(prompts)} | {
            f"--{kind}": folder for kind, folder in models["scorers"].items()
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
