"""What pages say of gold beside its baselines, with intervals: whether it is better, worse, or neither clearly."""

from __future__ import annotations

import math
from typing import Any

from overopt.util.words import number, with_interval

Z = 1.96  # standard errors of a 95% interval


def share_se(share: float, count: int) -> float:
    """Standard error of a share of `count` independent pairs.

    >>> round(share_se(0.5, 100), 3)
    0.05
    """
    return math.sqrt(share * (1 - share) / count)


def compared(ours: float, theirs: float, error: float) -> str:
    """In words, whether a number surely lies above or below another: `error` is the standard error of their difference.

    >>> compared(0.9, 0.8, 0.02), compared(0.8, 0.9, 0.02), compared(0.8, 0.81, 0.02)
    ('better', 'worse', 'not clearly better or worse')
    """
    if abs(ours - theirs) <= Z * error:
        return "not clearly better or worse"
    return "better" if ours > theirs else "worse"


def correlation_interval(r: float, count: int) -> tuple[float, float]:
    """95% interval of a correlation over `count` independent texts, by Fisher's transformation.

    >>> low, high = correlation_interval(0.73, 2341)
    >>> round(low, 2), round(high, 2)
    (0.71, 0.75)
    """
    centre, half = math.atanh(r), Z / math.sqrt(count - 3)
    return math.tanh(centre - half), math.tanh(centre + half)


def say_gold(gold: dict[str, Any]) -> str:
    """How gold does on held-out data beside its baseline, a linear model on word weights (`gold_validity`).

    The two are judged on the same pairs, so their errors go together; taken as independent, as here, they call fewer
    differences sure.
    """
    human, *spoilt = gold["pairs"]
    parts = [
        f"Of held-out pairs that people rated, gold puts {_share(human, 'accuracy')} in the right order."
    ]
    if human["baseline"] is not None:
        parts.append(
            f"A linear model on word weights (TF-IDF) puts {_share(human, 'baseline')}: by pairs gold is {_beside(human)}."
        )
    if spoilt:
        parts += _say_spoilt(spoilt)
    count = gold["rated_held_out"]
    rs = [gold["pearson"], gold["pearson_baseline"]]
    own, base = (with_interval(r, *correlation_interval(r, count)) for r in rs)
    error = math.sqrt(2 / (count - 3))
    word = compared(math.atanh(rs[0]), math.atanh(rs[1]), error)
    parts.append(
        f"Its scores correlate {own} with mean human ratings, the linear model's {base}: by correlation gold is {word}."
    )
    return " ".join(parts)


def _say_spoilt(kinds: list[dict[str, Any]]) -> list[str]:
    low, high = (f(kind["accuracy"] for kind in kinds) for f in (min, max))
    parts = [
        f"Of pairs of real and spoilt text, of {len(kinds)} kinds, gold puts {_percent(low)} to {_percent(high)} in the "
        "right order."
    ]
    low, high = (f(kind["fluency"] for kind in kinds) for f in (min, max))
    parts.append(f"Its judges of language alone put {_percent(low)} to {_percent(high)}.")
    real, bad = (sum(kind[name] for kind in kinds) / len(kinds) for name in ("passes_real", "passes_spoilt"))
    parts.append(
        f"Its gate goes from 0 (no language) to 1. Its mean is {real:.2f} for real text, {bad:.2f} for spoilt text."
    )
    return parts


def _beside(kind: dict[str, Any]) -> str:
    errors = (share_se(kind[name], kind["count"]) for name in ("accuracy", "baseline"))
    return compared(kind["accuracy"], kind["baseline"], math.hypot(*errors))


def _percent(share: float) -> str:
    return f"{number(100 * share, 0)}%"


def _share(kind: dict[str, Any], name: str) -> str:
    """A share of pairs with its 95% interval, in per cent."""
    share, half = 100 * kind[name], 100 * Z * share_se(kind[name], kind["count"])
    return f"{with_interval(share, max(share - half, 0.0), min(share + half, 100.0), 0)}%"
