"""What the page on life without gold says of its tables: how near rules and predictions come to what was hoped."""

import polars as pl

from overopt.analysis.method_runs import WORDS
from overopt.analysis.stopping_judged import LOST

AIM = 0.9  # of the held-out cells, in which a rule loses at most `LOST` of the highest gold
LEAST = 10  # held-out cells, of which so large a share can be told
LETTERS = {"alpha": "α", "beta": "β"}


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
        name = WORDS.get(method, str(method))
        beside = f" (*never stop*: {never[0]:.0%})" if len(never) else ""
        nearest.append(f"{name} {best['within']:.0%} of {best['cells']}{beside}")
        reached += [name] if best["within"] >= AIM and best["cells"] >= LEAST else []
    return (
        f"The aim is to lose at most {LOST:.0%} of the highest gold in {AIM:.0%} of the held-out cells. It is reached on "
        f"{LEAST} cells or more for {', '.join(reached) or 'no method'}; fewer cannot show it. The rule that comes nearest, "
        f"in part by luck, does so in these shares of the cells: {'; '.join(nearest)}."
    )


def say_predictions(summary: pl.DataFrame) -> str:
    """How far off the laws' coefficients were predicted, and how often intervals overlap (`pool_predictions.summary`)."""
    parts = []
    for row in summary.drop_nulls("error").iter_rows(named=True):
        if row["coefficient"] in LETTERS:
            way = "higher" if row["error"] > 0 else "lower"
            parts.append(
                f"{LETTERS[row['coefficient']]} of {WORDS[row['method']]} came {abs(row['error']):.2f} {way} than predicted "
                f"(intervals overlap in {row['within']:.0%} of {row['predictions']})"
            )
    if not parts:
        return ""
    return f"On average {', '.join(parts)}. Intervals are of the same prompts, so that their overlap is a weak test."
