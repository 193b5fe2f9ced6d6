"""Where the proxy's score stopped rising in each run of PPO: what came after moved the policy, but not to a higher score."""

from typing import Any

import polars as pl

from overopt.estimators.plateau import plateau

IDENTITY = ("record", "policy_params", "rm_params", "pairs", "kl_penalty", "rounds", "round", "seed")


def plateaus(curves: pl.DataFrame, by_prompt: pl.DataFrame) -> pl.DataFrame:
    """A row a run of PPO in `curves`: `IDENTITY`, where it ended (`last_step`, `last_kl`), and after which of its points the
    proxy's score did not rise any more (`step, kl`; null where it rose to the end): see `overopt.estimators.plateau`.
    """
    runs = curves.filter(method="ppo").sort("step").group_by("record", maintain_order=True)
    return pl.DataFrame([_row(run, by_prompt) for _, run in runs], infer_schema_length=None)


def _row(run: pl.DataFrame, by_prompt: pl.DataFrame) -> dict[str, Any]:
    scores = by_prompt.filter(record=run["record"][0]).sort("step", "prompt")["proxy"]
    found = plateau(scores.to_numpy().reshape(run.height, -1))
    return (
        run.select(IDENTITY).row(0, named=True)
        | {f"last_{name}": run[name][-1] for name in ("step", "kl")}
        | {name: None if found is None else run[name][found] for name in ("step", "kl")}
    )
