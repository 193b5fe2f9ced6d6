"""A copy of a clean clone, with what the documents take for granted in it: an installed project, and a reader's files."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import filelock
import polars as pl
import pytest
import torch

from overopt.util.paths import ROOT

SHAPE = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
POLICIES = ("sft", "dpo-100", "dpo-200", "dpo-300", "dpo-400")
TEXTS = ["The film was good", "I did not like it", "A slow start", "She plays the part"]
CARD = """---
tags:
- trl
- reward-trainer
---

### Framework versions

- TRL: 1.16.0
"""
COMPUTES = re.compile(r"make report|\brun\b|\breport\b|papermill")
LONG = re.compile(r"\b(laptop|published|pretrained-cpu|STUDY|NAME)\b(?!=)")


def shortened(command):
    """What is run for a documented command: the same, but what computes a study computes `smoke`.

    This is the one substitution. STUDY and NAME stand for a study in any case.
    """
    if not COMPUTES.search(command):
        return re.sub(r"\b(STUDY|NAME)\b", "smoke", command)
    named = re.sub(r"^make report(?! STUDY)", "make report STUDY=smoke", command)
    return LONG.sub("smoke", named)


def copy_of_clean_clone(target):
    """What git would give: every file that is tracked, or would be after `git add`; committed in a repository of its own."""
    listed = subprocess.check_output(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"], text=True
    )
    for name in filter(None, listed.split("\0")):
        source, place = ROOT / name, target / name
        if source.exists() or source.is_symlink():  # else it is deleted, and the deletion not committed yet
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, place, follow_symlinks=False)
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for words in (["init", "-q"], ["add", "--all"], [*identity, "commit", "-q", "-m", "copy"]):
        subprocess.run(["git", *words], cwd=target, check=True)
    return target


def add_readers_files(folder, tokenizer):
    """What the documents' commands read: scores, curves, policies, a reward model, prompts, a study."""
    from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

    ends = {"eos_token_id": tokenizer.eos_token_id, "bos_token_id": tokenizer.bos_token_id, "num_labels": 1}
    config = LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=256, **SHAPE, **ends)
    for seed, name in enumerate((*POLICIES, "reward-model")):
        torch.manual_seed(seed)
        model = (LlamaForSequenceClassification if name == "reward-model" else LlamaForCausalLM)(config)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    (folder / "reward-model" / "README.md").write_text(CARD)
    pl.DataFrame({"prompt": TEXTS}).write_ndjson(folder / "prompts.jsonl")
    scores = torch.rand(60, 2, generator=torch.Generator().manual_seed(0))
    columns = {"prompt": ["a", "b", "c"] * 20, "gold": scores[:, 0].tolist(), "mine": scores[:, 1].tolist()}
    pl.DataFrame(columns).write_csv(folder / "scores.csv")
    curve = pl.DataFrame({"kl": [0.0, 1.0, 4.0, 9.0], "gold": [0.0, 0.5, 0.6, 0.2]})
    curve.write_csv(folder / "curves.csv")
    policies = ["base", "dpo-100", "dpo-200", "dpo-300"]
    curve.insert_column(0, pl.Series("policy", policies)).write_csv(folder / "policies.csv")
    shutil.copyfile(ROOT / "overopt" / "studies" / "smoke.yaml", folder / "my-study.yaml")


@pytest.fixture(scope="session")
def clone(tmp_path_factory, tokenizer, worker_id):
    """The copy, made once a session. Tests that use it belong to the xdist group "book"."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent  # one for all processes of pytest-xdist
    target = shared / "clone"
    with filelock.FileLock(shared / "clone.lock"):
        if not target.exists():
            making = shared / "clone.making"
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir()
            copy_of_clean_clone(making)
            (making / ".venv").symlink_to(Path(sys.prefix))
            for name in ("requirements.txt", "pyproject.toml"):
                # older than the environment, which make would install this copy into: it belongs to the clone that is tested
                os.utime(making / name, (0, 0))
            with (making / ".git" / "info" / "exclude").open("a") as exclude:
                exclude.write("/.venv\n")
            before = {path.name for path in making.iterdir()}
            add_readers_files(making, tokenizer)
            mine = sorted({path.name for path in making.iterdir()} - before)
            with (making / ".git" / "info" / "exclude").open("a") as exclude:
                exclude.writelines(f"/{name}\n" for name in mine)
            making.rename(target)
    return target


def run_in(folder, command, store, *, on_path=False, exports=()):
    """Run a command as a shell does, with the clone's own `overopt`; gives the finished process."""
    # as a reader's shell has it: this suite may itself be run by make, which tells the make that it runs
    inside = ("PYTEST", "COV", "MAKE", "MFLAGS")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(inside)}
    environment = clean | {"PYTHONPATH": str(folder), "OVEROPT_STORE": str(store), "NO_COLOR": "1"}
    if on_path:
        environment["PATH"] = f"{folder / '.venv' / 'bin'}{os.pathsep}{environment['PATH']}"
    script = "\n".join([*exports, command])
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
