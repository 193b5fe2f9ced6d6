"""What golds of another strictness say of the claims, in words."""

from collections.abc import Sequence
from typing import Any

NAMES = {"gold_lenient": "half as strict", "gold_strict": "twice as strict"}


ALONE = "far best-of-n, whose samples gold alone judged"


def say_strictness(entry: dict[str, Any]) -> str:
    """A sentence on verdicts that differ by a gate of another strictness, or why none judged; nothing where they agree."""
    if entry["by_gold_alone"]:
        return f" *Gates half or twice as strict were not tried: the verdict uses {ALONE}.*"
    others = _others(entry)
    return f" *With a gate {'; '.join(others)}.*" if others else ""


def say_all(verdicts: Sequence[dict[str, Any]]) -> str:
    """How many verdicts hang on how strict the gate is, and which could not be asked; nothing where no other gate judged."""
    claims = [entry for entry in verdicts if not entry["check"]]
    judged = [entry for entry in claims if entry["by_strictness"] and _measured(entry)]
    if not judged:
        return ""
    same = sum(not _others(entry) for entry in judged)
    changed = [entry["claim"] for entry in judged if _others(entry)]
    alone = [entry["claim"] for entry in claims if entry["by_gold_alone"]]
    rest = f" {_claims(changed, 'is', 'are')} judged otherwise by one of them at least." if changed else ""
    if alone:
        rest += (
            f" {_claims(alone, 'is', 'are')} left out: {'they use' if len(alone) > 1 else 'it uses'} {ALONE}."
        )
    kept = f"{same} of {len(judged)} verdicts stay"
    return f"Where gold asks half or twice as strictly whether a text is language, {kept}.{rest}"


def _measured(entry: dict[str, Any]) -> bool:
    """Whether a verdict could have come out otherwise: one on what was not measured is the same by every gate."""
    return entry["statistic"] is not None or bool(_others(entry))


def _claims(numbers: Sequence[int], one: str, several: str) -> str:
    """Which claims do what: `one` or `several` says what.

    >>> _claims([13], "is", "are"), _claims([1, 16], "is", "are")
    ('Claim 13 is', 'Claims 1, 16 are')
    """
    listed = ", ".join(map(str, numbers))
    return f"Claims {listed} {several}" if len(numbers) > 1 else f"Claim {listed} {one}"


def _others(entry: dict[str, Any]) -> list[str]:
    """Which gates come to another verdict, and to which."""
    return [
        f"{NAMES[view]}: {verdict}"
        for view, verdict in entry["by_strictness"].items()
        if verdict != entry["verdict"]
    ]
