"""What golds of another strictness say of the claims, in words."""

from collections.abc import Sequence
from typing import Any

NAMES = {"gold_lenient": "half as strict", "gold_strict": "twice as strict"}


def say_strictness(entry: dict[str, Any]) -> str:
    """A sentence on the verdicts that differ by a gate of another strictness; nothing where none does."""
    others = [
        f"{NAMES[view]}: {verdict}"
        for view, verdict in entry["by_strictness"].items()
        if verdict != entry["verdict"]
    ]
    return f" *With a gate {'; '.join(others)}.*" if others else ""


def say_all(verdicts: Sequence[dict[str, Any]]) -> str:
    """How many verdicts hang on how strict the gate is; nothing where no other gate judged."""
    judged = [entry for entry in verdicts if entry["by_strictness"] and not entry["check"]]
    if not judged:
        return ""
    same = sum(not say_strictness(entry) for entry in judged)
    changed = ", ".join(str(entry["claim"]) for entry in judged if say_strictness(entry))
    rest = f" Claims {changed} are judged otherwise by one of them." if changed else ""
    return f"With gates half and twice as strict, {same} of {len(judged)} verdicts are the same.{rest}"
