"""What the page on life without gold says of its tables: how near rules and predictions come to what was hoped."""

import polars as pl

from overopt.analysis.method_runs import WORDS
from overopt.analysis.stopping_judged import LOST

AIM = 0.9  # of the held-out cells, in which a rule loses at most `LOST` of the highest gold


def say_rules(by_rule: pl.DataFrame) -> str:
    """Whether any rule stops near enough often enough (`stopping_judged.by_rule`), method by method.

    The best of several rules on the cells that judge it is in part luck: where even that one fails, all do.
    """
    if by_rule.is_empty():
        return ""
    reached, nearest = [], []
    ranked = by_rule.sort("within", "regret", descending=[True, False])
    for (method,), rows in ranked.sort("method", maintain_order=True).group_by("method", maintain_order=True):
        best, never = rows.row(0, named=True), rows.filter(rule="end")["within"]
        beside = f" (*never stop*: {never[0]:.0%})" if len(never) and best["rule"] != "end" else ""
        nearest.append(f"{WORDS[method]} {best['within']:.0%} of {best['cells']} cells{beside}")
        reached += [WORDS[method]] if best["within"] >= AIM else []
    return (
        f"The aim is to lose at most {LOST:.0%} of the highest gold in {AIM:.0%} of the held-out cells. It is reached for "
        f"{', '.join(reached) or 'no method'}. The rule that comes nearest, in part by luck, does so in: "
        f"{'; '.join(nearest)}."
    )


def say_predictions(compared: pl.DataFrame) -> str:
    """How often what was predicted and what came overlap (`pool_predictions.compared`), by method."""
    parts = [
        f"for {WORDS[method]} in {rows['within'].to_numpy().mean():.0%} of {rows.height} numbers"
        for (method,), rows in compared.group_by("method", maintain_order=True)
    ]
    return (
        f"The intervals of what was predicted and of what came overlap {', '.join(parts)}." if parts else ""
    )
