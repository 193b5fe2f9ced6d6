"""What a study costs before it is run: samples, tokens, floating-point operations and memory of its stages, at most."""

from collections import defaultdict
from collections.abc import Mapping

from overopt.engine.plan import Plan
from overopt.engine.record import RECORD, costs, read_record
from overopt.engine.stage import Stage
from overopt.engine.store import Store
from overopt.plan.core_speed import CORE_DRAWING_TFLOPS, CORE_TFLOPS
from overopt.plan.costs import Price
from overopt.plan.looks import Count
from overopt.plan.registry import KINDS

STAGE_SECONDS = 1.0  # of a stage beside its models' work
PREDICTED_FIRST = 1e9  # seconds: above any chain

Costs = Mapping[str, Mapping[str, float]]


def price(stage: Stage, batch: int) -> Price:
    """What one stage costs at most; `batch` completions are drawn or scored at once."""
    kind = KINDS[stage.name]
    return kind.cost(stage, kind.spec.model_validate(stage.spec), batch) if kind.cost else Price()


def prices(plan: Plan, batch: int) -> dict[str, tuple[int, Price]]:
    """By kind of stage: how many, and the sum of their prices (of memory, the largest)."""
    found: dict[str, tuple[int, Price]] = {}
    for stage in plan.stages:
        count, total = found.get(stage.name, (0, Price()))
        found[stage.name] = count + 1, total + price(stage, batch)
    return found


def heights(plan: Plan, batch: int = 256) -> dict[str, float]:
    """For each key, seconds that the longest chain of stages which begins there takes, predicted for one core each.

    What predicts runs, and what it needs, comes before everything else: it is written before they begin.
    """
    found: dict[str, float] = defaultdict(float)  # first of the stages that depend on it alone
    for stage in reversed(plan.stages):
        work = price(stage, batch).seconds(tflops=CORE_TFLOPS, drawing_tflops=CORE_DRAWING_TFLOPS)
        found[stage.key] += STAGE_SECONDS + work + (PREDICTED_FIRST if stage.name == "prediction" else 0)
        for parent in stage.parents.values():
            found[parent.key] = max(found[parent.key], found[stage.key])
    return found


HEADER = ("", "stages", "samples", "tokens", "TFLOP", "hours", "memory")


def price_rows(
    plan: Plan, seen: Costs | None = None, *, batch: int, tflops: float, drawing_tflops: float
) -> list[tuple[str, ...]]:
    """Cells under `HEADER`, a row a kind of stage, the last for all; beside them what was `seen` (`record.costs`).

    Hours are those of one process that does `drawing_tflops` operations (of 10^12) a second while it draws and `tflops`
    while it reads and learns. Kinds of stages without models are left out.
    """

    def row(name: str, count: int, price: Price, took: Mapping[str, Count]) -> tuple[str, ...]:
        hours = price.seconds(tflops=tflops, drawing_tflops=drawing_tflops) / 3600
        counts = (name, f"{count:,}", f"{price.samples:,.0f}", f"{price.tokens:,.0f}")
        cells = (
            *counts,
            f"{(price.drawing + price.rest) / 1e12:,.1f}",
            f"{hours:,.2f}",
            f"{price.memory / 1e9:.1f} GB",
        )
        if seen is None:
            return cells
        return (*cells, f"{took['seconds'] / 3600:.2f} h, {took['memory'] / 1e9:.1f} GB" if took else "-")

    found = {name: (count, price) for name, (count, price) in prices(plan, batch).items() if price.tokens}
    rows = [row(name, *of, (seen or {}).get(name, {})) for name, of in found.items()]
    total, stages = Price(), 0
    for count, price in found.values():
        total, stages = total + price, stages + count
    every = list((seen or {}).values())
    seconds, memory = (
        sum(cost["seconds"] for cost in every),
        max((cost["memory"] for cost in every), default=0),
    )
    return [*rows, row("all", stages, total, {"seconds": seconds, "memory": memory} if every else {})]


def price_table(plan: Plan, store: Store, *, batch: int, tflops: float, drawing_tflops: float) -> list[str]:
    """What `overopt plan --price` prints; beside it what the stages took that `store` has."""
    done = [store.folder(stage) for stage in plan.stages if (store.folder(stage) / RECORD).is_file()]
    seen = costs(map(read_record, done))
    made = price_rows(plan, seen, batch=batch, tflops=tflops, drawing_tflops=drawing_tflops)
    rows = [(*HEADER, "measured"), *made]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        *("  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows),
        f"at most, at {tflops:g} TFLOP/s, {drawing_tflops:g} while drawing, {batch} completions at once, one process; "
        "memory: of the largest stage",
    ]
