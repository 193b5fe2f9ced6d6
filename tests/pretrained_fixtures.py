"""Studies of other people's models, tiny ones of several architectures, and their results."""

import json
from pathlib import Path

import pytest
from conftest import TEXTS
from tiny_models import REWARD_CONFIGS
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from overopt.analysis.results import read
from overopt.engine.store import Store
from overopt.models.build import count_parameters, load_language_model
from overopt.models.published import weights_sha256
from overopt.plan.study_plan import plan
from overopt.stages.pretrained_models import first_layers, untrained
from overopt.util.download import sha256_of

TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}> {{ m.content }} {% endfor %}"
    "{% if add_generation_prompt %}<assistant> {% endif %}"
)
WORDS = [word for text in TEXTS for word in text.split()]
PROMPTS = [f"{a} {b} {c}" for a, b, c in zip(WORDS, WORDS[3:], WORDS[7:], strict=False)]


def published(folder, model):
    """The fields of a model in a folder."""
    shape = {"layers": model.config.num_hidden_layers, "width": model.config.hidden_size}
    return {
        "path": folder,
        "sha256": weights_sha256(Path(folder)),
        "parameters": count_parameters(model),
    } | shape


@pytest.fixture(name="fields")
def study_fields(saved, tmp_path):
    """The fields of a study of one architecture, judged by another."""

    def make(name="llama", judge="bert", chat=False, **changes):
        base = saved(name, num_hidden_layers=2)
        options = {"num_labels": 1, "max_position_embeddings": 96}
        gold = saved(judge, AutoModelForSequenceClassification, configs=REWARD_CONFIGS, **options)
        for folder in (base, gold) if chat else ():
            own = AutoTokenizer.from_pretrained(folder)
            own.chat_template = TEMPLATE
            own.save_pretrained(folder)
        prompts = tmp_path / "prompts.jsonl"
        prompts.write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in PROMPTS))
        loaded = load_language_model(Path(base))
        cut, small = first_layers(loaded, 1), untrained(loaded, 1, 8, 2, 0)
        judging = AutoModelForSequenceClassification.from_pretrained(gold)
        shape = {"layers": 1, "width": 8, "heads": 2}
        return {
            "name": "tiny",
            "title": "Tiny",
            "world": "pretrained",
            "seed": 0,
            "text": {"prompt_tokens": 60, "completion_tokens": 6, "chat": chat},
            "prompts": {"path": str(prompts), "sha256": sha256_of(prompts)},
            "models": {
                "cut": {"cut": "base", "layers": 1, "parameters": count_parameters(cut)},
                "base": published(base, loaded) | {"vocabulary": loaded.config.vocab_size},
                "small": {"scratch": "base", "parameters": count_parameters(small)} | shape,
            },
            "policy": "base",
            "gold": published(gold, judging) | {"chat": chat, "ends": "auto" if chat else "eos"},
            "pairs": {"count": 60, "per_prompt": 6, "validation": 0.2},
            "proxies": {
                "grids": [{"models": ["small", "cut", "base"], "pairs": [48], "seeds": 1}],
                "batch": 8,
                "embedding_gain": 1,
                "learning_rates": {"small": 1e-2, "cut": 1e-2, "base": 1e-2},
            },
            "best_of_n": {"prompts": 4, "samples": 12, "max_n": 8},
            "show_prompts": ["The film was"],
        } | changes

    return make


def one_proxy(model="cut"):
    """A grid of one proxy, for studies that are about something else."""
    grid = {"models": [model], "pairs": [48], "seeds": 1}
    return {"grids": [grid], "batch": 8, "embedding_gain": 1, "learning_rates": {model: 1e-2}}


def ppo_of(policy="base"):
    """PPO of `policy` against one proxy, a few steps long."""
    run = {"minibatch": 8, "batch": 16, "epochs": 1, "learning_rate": 1e-2, "value_learning_rate": 1e-2}
    run |= {"prompts": 5, "max_steps": 3, "max_kl": 50, "spacing": 0.1, "evaluation_samples": 2}
    grid = {"grid": {"models": ["cut"], "pairs": [48], "seeds": 1}, "policies": [policy]}
    return {"value_model": "small", "grids": [grid], "run": run}


def computed(spec, runtime):
    """The results of a study, every stage computed in this process."""
    graph, store = plan(spec), Store(runtime.store)
    for stage in graph.stages:
        store.compute(stage, runtime)
    return read(store.path(graph.tables), spec)
