"""The stages of softer best-of-n against one proxy: its scores of the pool, and curves that need nothing else."""

import shutil
from typing import Any

import numpy as np
from jaxtyping import Float64
from safetensors.torch import load_file, save_file

from overopt.analysis.curves import STRICTNESS, columns
from overopt.engine.stage import Job
from overopt.estimators.best_of_n import powers_of_two
from overopt.estimators.selection import (
    best_of_poisson_kl,
    poisson_choice,
    poisson_fits,
    poisson_weights,
    soft_best_of_n_kl,
    soft_choice,
)
from overopt.estimators.uncertainty import standard_error
from overopt.models.precision import frozen_dtype
from overopt.models.samples import Samples
from overopt.plan.stage_specs import Reading, SelectionSpec
from overopt.rewards.joined import load_proxy
from overopt.rewards.scoring import Scale
from overopt.stages.best_of_n import judged_samples
from overopt.stages.curve_rows import Row, curve_identity, write_curve
from overopt.util.files import read_json
from overopt.util.seeds import derive

Scores = Float64[np.ndarray, "prompts samples"]


def pool_scores(job: Job[Reading]) -> None:
    """What one proxy says of every sample of the pool for the evaluation prompts, on the scale that best-of-n has for it.

    scores.safetensors; metrics.json, of the proxy.
    """
    judge = load_proxy(job.parents["proxy"], job.runtime.device, frozen_dtype(job.spec.frozen))
    samples = Samples.load(job.parents["pool"] / "evaluation.safetensors")
    scale = Scale.load(job.parents["best_of_n"], "proxy")
    save_file(
        {"evaluation": scale(judge.score(samples, batch=job.runtime.batch)).float()},
        job.out / "scores.safetensors",
    )
    shutil.copyfile(job.parents["proxy"] / "metrics.json", job.out / "metrics.json")


def selection(job: Job[SelectionSpec]) -> None:
    """Soft best-of-n or best-of-Poisson of one proxy over the pool: curve.parquet and by_prompt.parquet.

    For best-of-Poisson `n` is the mean number of samples, 1 + mu.
    """
    spec = job.spec
    kept = load_file(job.parents["scores"] / "scores.safetensors")["evaluation"].reshape(-1, spec.samples)
    values = judged_samples(job.parents["pool"], kept.shape) | {"proxy": kept}
    known = {name: table.double().numpy() for name, table in values.items()}
    ns = powers_of_two(spec.max_n)
    if spec.tau is None:
        ns = [n for n in ns if poisson_fits(spec.samples, n - 1.0)]
        kls = np.array([[best_of_poisson_kl(n - 1.0)] * len(kept) for n in ns])
    else:
        kls, _ = soft_best_of_n_kl(known["proxy"], ns, spec.tau)
    common = curve_identity(job, read_json(job.parents["scores"] / "metrics.json")) | {
        "method": "bop" if spec.tau is None else "soft_bon",
        "kl_penalty": 0.0,
        "kl_kind": "analytic" if spec.tau is None else "k1",
        "prompts": len(kept),
        "samples": spec.samples,
    }
    rows, by_prompt = [], []
    for n, kl in zip(ns, kls, strict=True):
        chances = _chances(known["proxy"], n, spec)
        of_prompts = {name: (chances * table).sum(1) for name, table in known.items()} | {"kl": kl}
        rows.append(common | {"n": n} | _point(of_prompts, exact=spec.tau is None))
        kept_names = [name for name in ("kl", "gold", "proxy", *STRICTNESS) if name in of_prompts]
        by_prompt += [
            {"n": n, "prompt": k} | {name: float(of_prompts[name][k]) for name in kept_names}
            for k in range(len(kept))
        ]
    write_curve(job, rows, by_prompt)


def _chances(proxy: Scores, n: int, spec: SelectionSpec) -> Scores:
    """The chance of each sample to be chosen; each prompt's add up to 1."""
    if spec.tau is None:
        by_rank = poisson_weights(proxy.shape[1], n - 1.0)
        return np.stack([poisson_choice(row, by_rank) for row in proxy])
    # the same deals for every proxy and temperature: their curves differ by less
    rng = np.random.default_rng(derive(spec.seed, "soft best-of-n", n))
    return np.stack([soft_choice(row, n, spec.tau, rng=rng) for row in proxy])


def _point(of_prompts: dict[str, Float64[np.ndarray, " prompts"]], *, exact: bool) -> dict[str, Any]:
    """Means over prompts, and the errors that the table has a column for."""
    point: Row = {name: float(values.mean()) for name, values in of_prompts.items()}
    for name in of_prompts:
        if f"{name}_se" in columns():
            point[f"{name}_se"] = float(standard_error(of_prompts[name]))
    return point | ({"kl_se": 0.0} if exact else {})
