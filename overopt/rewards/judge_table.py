"""The table of judged policies: from what was measured of each to one row, scores in the base policy's deviations."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float64, Int
from torch import Tensor

from overopt.estimators.uncertainty import standard_error
from overopt.models.log_probs import KL
from overopt.util.errors import UserError


@dataclass(frozen=True)
class Measured:
    """Of one policy, every sample of the first prompt, then of the second, ...: KL (nats), scores by kind, tokens."""

    kl: KL
    scores: Mapping[str, Float64[np.ndarray, " samples"]]
    lengths: Int[Tensor, " samples"]


def policy_table(measured: Iterable[tuple[str, Measured]], prompts: int) -> pl.DataFrame:
    """A row a policy, the base policy first: columns as `overopt.measure` returns them.

    Raises:
        UserError: if a kind of score is the same for all samples of the base policy; said before a second is asked for.
    """
    scales: dict[str, tuple[float, float]] = {}
    rows: list[dict[str, Any]] = []
    for name, of_policy in measured:
        samples = len(of_policy.lengths) // prompts
        exact, k1, k3 = (
            one.double().reshape(prompts, samples).numpy()
            for one in (of_policy.kl.exact, of_policy.kl.k1, of_policy.kl.k3)
        )
        row: dict[str, Any] = {"policy": name} | _mean("kl", np.maximum(exact, 0.0))
        row |= {"kl_k1": k1.mean(), "kl_k3": k3.mean()}
        for kind, scores in of_policy.scores.items():
            raw = scores.reshape(prompts, samples)
            if kind not in scales:  # the base policy comes first
                scales[kind] = base_scale(kind, raw)
            mean, sd = scales[kind]
            row |= _mean(kind, (raw - mean) / sd)
        length = of_policy.lengths.double().mean().item()
        rows.append(row | {"length": length, "prompts": prompts, "samples": samples})
    return pl.DataFrame(rows).with_columns(pl.col("^.*_se$").fill_nan(None))


def base_scale(kind: str, scores: Float64[np.ndarray, "..."]) -> tuple[float, float]:
    """Mean and standard deviation of the base policy's scores, which all policies' are shifted and scaled by.

    Raises:
        UserError: if they are all the same.
    """
    mean, sd = float(scores.mean()), float(scores.std(ddof=1))
    if not sd > 0:
        raise UserError(
            f"{kind}: found one score for all {scores.size} samples of the base policy, expected several"
        )
    return mean, sd


def _mean(name: str, values: Float64[np.ndarray, "prompts samples"]) -> dict[str, float]:
    """Mean, and its standard error over prompts."""
    of_prompts = values.mean(1)
    return {name: float(of_prompts.mean()), f"{name}_se": float(standard_error(of_prompts))}
