"""Saved models, changed on disk as nobody's library would save them: weights or settings taken away, added, renamed."""

import json
from pathlib import Path

from safetensors.torch import load_file, save_file


def edit_weights(folder, change):
    """Replace the weights of a folder by what `change` makes of them (or changes in place), by name."""
    path = Path(folder, "model.safetensors")
    weights = load_file(path)
    weights = change(weights) or weights
    save_file({name: weight.contiguous() for name, weight in weights.items()}, path, {"format": "pt"})


def edit_json(folder, file="config.json", **fields):
    """Set fields of a JSON file of a folder; None takes one away."""
    path = Path(folder, file)
    found = json.loads(path.read_text()) if path.exists() else {}
    found = {name: value for name, value in (found | fields).items() if value is not None}
    path.write_text(json.dumps(found))
