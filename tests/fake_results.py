"""Synthetic results with the schema of `overopt.analysis.results.Results`, so that pages are tested without training.

The curves follow the paper's two laws with known coefficients plus noise, for four proxy sizes. The
text is invented. Nothing here is a measurement.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

SIZES = (1_024, 9_600, 98_304, 1_048_576)
ALPHA_BON, BETA_BON = (0.55, 0.72, 0.85, 0.95), (0.20, 0.19, 0.175, 0.16)
ALPHA_RL, BETA_RL = 0.55, (0.30, 0.265, 0.235, 0.21)
PROMPTS = 16
POLICY = 819_200
UNKNOWN = ("temperature", "kl_round", "gold_second", "gold_second_se", "ess", "setting")


@dataclass(frozen=True)
class FakeStudy:
    """The fields of a study that pages read."""

    name: str = "laptop"
    world: str = "reviews"


@dataclass(frozen=True)
class FakeResults:
    """The fields of `overopt.analysis.results.Results`."""

    study: FakeStudy
    record: dict[str, Any]
    curves: pl.DataFrame
    by_prompt: pl.DataFrame
    texts: pl.DataFrame
    chain: dict[str, Any]


def _bon_points(size: int) -> list[tuple[int | None, int | None, float, float, float]]:
    rows = []
    for n in [2**k for k in range(11)]:
        kl = float(np.log(n) - (n - 1) / n)
        d = np.sqrt(kl)
        rows.append((n, None, kl, d * (ALPHA_BON[size] - BETA_BON[size] * d), 1.25 * d))
    return rows


def _ppo_points(size: int) -> list[tuple[int | None, int | None, float, float, float]]:
    rows = []
    for k, d in enumerate(np.linspace(0, 6.2, 20)):
        gold = d * (ALPHA_RL - BETA_RL[size] * np.log(d)) if d > 0 else 0.0
        rows.append((None, 8 * k * k, float(d * d), float(gold), float(0.55 * d)))
    return rows


def _curve(method: str, size: int, seed: int, rng: np.random.Generator) -> tuple[list[dict], list[dict]]:
    record = f"{method}-{SIZES[size]}-{seed}"
    points = _bon_points(size) if method == "bon" else _ppo_points(size)
    offsets = 0.15 * rng.standard_normal(PROMPTS)
    curve, by_prompt = [], []
    for n, step, kl, gold, proxy in points:
        scale = 0.0 if kl == 0 else 1.0
        each = gold + scale * (offsets - offsets.mean() + 0.05 * rng.standard_normal(PROMPTS))
        stretch = 1 + 0.04 * rng.standard_normal(PROMPTS)
        kls = np.full(PROMPTS, kl) if method == "bon" else kl * stretch
        for prompt in range(PROMPTS):
            by_prompt.append(
                {"record": record, "n": n, "step": step, "prompt": prompt, "kl": float(kls[prompt]),
                 "gold": float(each[prompt]), "proxy": proxy}
            )  # fmt: skip
        se = float(each.std(ddof=1) / np.sqrt(PROMPTS))
        ppo = method == "ppo"
        mean_kl = float(kls.mean())
        curve.append(
            {"study": "laptop", "world": "reviews", "method": method, "policy_params": POLICY,
             "rm_params": SIZES[size], "pairs": 9_000, "label_noise": 0.0, "kl_penalty": 0.0,
             "ensemble": "single", "setting": None, "seed": seed, "n": n, "step": step, "kl": mean_kl,
             "kl_se": float(kls.std(ddof=1) / np.sqrt(PROMPTS)), "kl_kind": "exact" if ppo else "analytic",
             "gold": float(each.mean()), "gold_se": se, "proxy": proxy, "proxy_se": 0.02 * scale,
             "prompts": PROMPTS, "samples": 1024 * PROMPTS, "rm_loss": 0.62 - 0.05 * size + 0.01 * seed,
             "rm_accuracy": 0.62 + 0.05 * size, "kl_k1": mean_kl * 1.01 if ppo else None,
             "kl_k3": mean_kl * 0.99 if ppo else None, "clip_fraction": 0.08 * scale if ppo else None,
             "entropy": 4.2 - 0.06 * mean_kl if ppo else None,
             "length": 22.0 + 0.1 * mean_kl if ppo else None,
             "epochs": 1, "rounds": 1, "round": 1, "record": record} | dict.fromkeys(UNKNOWN)
        )  # fmt: skip
    return curve, by_prompt


def _texts(sizes: tuple[int, ...], seeds: int) -> pl.DataFrame:
    rows: list[tuple] = []
    prompts = ("The second half of the film", "My sister and I")
    steps = {8 * k * k: float(d * d) for k, d in enumerate(np.linspace(0, 6.2, 20))}
    for size, seed, prompt in itertools.product(sizes, range(seeds), prompts):
        for n in (1, 4, 16, 64, 256, 1024):
            text = f"is *sample* {n} | with $signs$, `ticks` and <b>tags</b>."
            rows.append(("bon", f"bon-{size}-{seed}", prompt, text, n, None,
                         float(np.log(n) - (n - 1) / n), 0.3 * np.log(n), 0.4 * np.log(n)))  # fmt: skip
        for step, kl in steps.items():
            text = "was " + "wonderful " * (1 + step // 200) + "in all."
            rows.append(("ppo", f"ppo-{size}-{seed}", prompt, text, None, step, kl, 0.4, 0.1 * kl))
    names = ["method", "record", "prompt_text", "completion", "n", "step", "kl", "gold", "proxy"]
    ints = {"n": pl.Int64, "step": pl.Int64}
    texts = pl.DataFrame(rows, schema=names, orient="row").cast(ints)  # type: ignore[arg-type]
    return texts.with_columns(rating=pl.col("gold") + 0.1, gate=pl.lit(0.9))


def _chain(rng: np.random.Generator) -> dict[str, Any]:
    kinds = (
        ("human ratings", 0.74, 0.71),
        ("looped", 0.97, None),
        ("stuck", 0.88, None),
        ("stuttered", 0.95, None),
    )
    return {
        "data": {"reviews": 25_000, "sentences": 279_725, "rated_texts": 23_703, "ratings": 536_520,
                 "vocabulary": 2_048, "prompt_tokens": 8, "max_new_tokens": 24},
        "language_models": [
            {"name": f"lm-{k}", "params": p, "loss": 5.2 - 0.35 * k, "tokens": 4_000_000}
            for k, p in enumerate((*SIZES, 2_400_000))
        ],
        "gold": {"params": 2_400_000, "pearson": 0.79, "pearson_baseline": 0.72, "rated_held_out": 2_300,
                 "bag_of_words_r2": 0.52,
                 "pairs": [{"kind": kind, "accuracy": a, "accuracy_se": 0.01, "baseline": b, "count": 2_000,
                            **({"fluency": None} if b else {"fluency": 0.95, "passes_real": 0.9, "passes_spoilt": 0.1})}
                           for kind, a, b in kinds]},
        "pairs": {"train": 9_000, "held_out": 1_000, "tie_fraction": 0.0},
        "gold_base_scores": rng.normal(0, 1, 2_000).tolist(),
    }  # fmt: skip


def load(study: str = "laptop", *, sizes: int = 4, seeds: int = 2) -> FakeResults:
    """Synthetic results of `study`: best-of-n to 1,024 and 20 PPO points for each size and seed."""
    rng = np.random.default_rng(0)
    curves: list[dict] = []
    by_prompt: list[dict] = []
    for method in ("bon", "ppo"):
        for size in range(sizes):
            for seed in range(seeds):
                points, prompts = _curve(method, size, seed, rng)
                curves += points
                by_prompt += prompts
    ints = {"n": pl.Int64, "step": pl.Int64}
    record = {"key": "f" * 64, "git": "0123456789ab", "created": "2026-01-01T00:00:00+00:00",
              "seconds": 1_000.0,
              "device": "cpu", "versions": {"torch": "2.13.0"}, "seeds": list(range(seeds))}  # fmt: skip
    floats = {name: pl.Float64 for name in (*UNKNOWN, "kl_k1", "kl_k3", "clip_fraction", "entropy", "length")}
    return FakeResults(
        study=FakeStudy(name=study),
        record=record,
        curves=pl.DataFrame(curves, infer_schema_length=None).cast({**ints, **floats}),
        by_prompt=pl.DataFrame(by_prompt, infer_schema_length=None).cast(ints),
        texts=_texts(SIZES[:sizes], seeds),
        chain=_chain(rng),
    )
