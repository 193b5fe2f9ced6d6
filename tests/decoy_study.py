"""A study of the kind of `published`, at the sizes of `smoke`: language models of all reviews, gold taught by decoys."""

from typing import Any

from overopt.study.study import load_study

FLUENCY = {"models": ["7k", "1k"], "texts": 200, "steps": 20, "batch": 20, "learning_rate": 1e-3}
DECOYS = {
    "judges": [{"model": "1k", "fluency": True}],
    "reward_steps": 20,
    "prompts": 200,
    "min_kl": 0.01,
    "max_kl": 20,
    "max_steps": 4,
    "learning_rate": 3e-3,
}
GATED = ("sharpening", "ppo_sweep")  # what such a study does without


def decoy_fields() -> dict[str, Any]:
    """The fields of the study, as they would stand in a file."""
    fields = load_study("smoke").model_dump(mode="json")
    for name in GATED:
        del fields[name]
    whole = ("shape", "tokens", "batch", "learning_rate")
    models = {name: {field: fields["models"][name][field] for field in whole} for name in ("1k", "7k")}
    gold = {"rating": fields["gold"]["rating"], "fluency": FLUENCY, "second": True}
    return fields | {"name": "decoys", "models": models, "gold": gold, "decoys": DECOYS}
