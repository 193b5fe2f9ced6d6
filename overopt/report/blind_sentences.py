"""What the page on life without gold says of its tables: how near rules and predictions come to what was hoped."""

import polars as pl

from overopt.analysis.method_runs import WORDS
from overopt.analysis.stopping_judged import LOST

AIM = 0.9  # of the held-out cells, in which a rule loses at most `LOST` of the highest gold
LEAST = 10  # held-out cells, of which so large a share can be told


def say_rules(by_rule: pl.DataFrame) -> str:
    """Whether any rule stops near enough often enough (`stopping_judged.by_rule`), for every method of `LEAST` cells.

    The best of several rules on the cells that judge it is in part luck: where even that one fails, all do.
    """
    if by_rule.is_empty():
        return ""
    reached, nearest, few = [], [], []
    ranked = by_rule.sort("within", "regret", descending=[True, False])
    for (method,), rows in ranked.sort("method", maintain_order=True).group_by("method", maintain_order=True):
        best, never = rows.row(0, named=True), rows.filter(rule="end")["within"]
        if best["cells"] < LEAST:
            few.append(f"{WORDS[method]} ({best['cells']})")
            continue
        beside = f" (*never stop*: {never[0]:.0%})" if len(never) else ""
        nearest.append(f"{WORDS[method]} {best['within']:.0%} of {best['cells']} cells{beside}")
        reached += [WORDS[method]] if best["within"] >= AIM else []
    said = [f"The aim is to lose at most {LOST:.0%} of the highest gold in {AIM:.0%} of the held-out cells."]
    if nearest:
        said.append(f"It is reached for {', '.join(reached) or 'no method'}.")
        said.append(f"The rule that comes nearest, in part by luck, does so in: {'; '.join(nearest)}.")
    if few:
        said.append(f"Fewer than {LEAST} such cells, too few to tell: {', '.join(few)}.")
    return " ".join(said)


def say_predictions(compared: pl.DataFrame) -> str:
    """How often what was predicted and what came overlap (`pool_predictions.compared`), by method."""
    parts = [
        f"for {WORDS[method]} in {rows['within'].to_numpy().mean():.0%} of {rows.height} numbers"
        for (method,), rows in compared.group_by("method", maintain_order=True)
    ]
    return (
        f"The intervals of what was predicted and of what came overlap {', '.join(parts)}." if parts else ""
    )
