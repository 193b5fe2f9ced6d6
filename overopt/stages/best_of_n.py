"""The stages that measure best-of-n and tilting against one proxy, judged by gold on held-out prompts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from overopt.analysis.curves import STRICTNESS, columns
from overopt.engine.stage import Job
from overopt.estimators.best_of_n import BestOfN, best_of_n_curve, best_of_n_kl, powers_of_two, summaries
from overopt.estimators.partial_gold import inclusion_chance, spread_gold
from overopt.estimators.tilting import tilts_at
from overopt.estimators.uncertainty import standard_error
from overopt.models.build import load_tokenizer
from overopt.models.precision import frozen_dtype
from overopt.models.samples import Samples, decode
from overopt.plan.stage_specs import BestOfNSpec, Curved, FarBestOfNSpec, OtherBestOfNSpec, OverPool
from overopt.rewards.gold import load_gold
from overopt.rewards.joined import load_proxy
from overopt.rewards.scoring import Scale
from overopt.stages.curve_rows import curve_identity, write_curve, write_rows, write_texts
from overopt.stages.pool import pooled
from overopt.stages.proxies import calibrated_gain
from overopt.util.files import read_json, write_json
from overopt.util.seeds import derive


def best_of_n(job: Job[BestOfNSpec]) -> None:
    """Best-of-n of one proxy over the pool, and the tilted policies of the same KL.

    curve.parquet, by_prompt.parquet, tilt.parquet; texts for the prompts for show; the proxy's scale; proxy.json.
    """
    pool = job.parents["pool"]
    judge = load_proxy(job.parents["proxy"], job.runtime.device, frozen_dtype(job.spec.frozen))
    metrics = read_json(job.parents["proxy"] / "metrics.json")
    raw = {
        use: judge.score(Samples.load(pool / f"{use}.safetensors"), batch=job.runtime.batch)
        for use in ("evaluation", "show")
    }
    gain = calibrated_gain(job)
    scale = Scale.centred(gain, raw["evaluation"].double().mean().item())
    scale.save(job.out, "proxy")
    proxy = scale(raw["evaluation"]).reshape(-1, job.spec.samples)
    described = write_over_pool(job, metrics, proxy)
    write_json(job.out / "proxy.json", metrics | described | {"gain": gain})
    show_gold = pooled(pool, "show")["gold"].reshape(-1, job.spec.samples)
    best_texts(job, powers_of_two(job.spec.max_n), show_gold, scale(raw["show"]).reshape(show_gold.shape))


def gold_frontier(job: Job[OverPool]) -> None:
    """Best-of-n and tilted policies of gold itself: what a perfect proxy would do."""
    nothing = {"parameters": 0, "pairs": 0, "epochs": 0, "validation_loss": 0.0, "validation_accuracy": 1.0}
    gold = pooled(job.parents["pool"], "evaluation")["gold"]
    write_over_pool(job, nothing, gold.reshape(-1, job.spec.samples))


def other_best_of_n(job: Job[OtherBestOfNSpec]) -> None:
    """Best-of-n of one proxy over the pool of another policy, on the scale it has for the study's policy."""
    judge = load_proxy(job.parents["proxy"], job.runtime.device, frozen_dtype(job.spec.frozen))
    samples = Samples.load(job.parents["pool"] / "evaluation.safetensors")
    proxy = Scale.load(job.parents["best_of_n"], "proxy")(judge.score(samples, batch=job.runtime.batch))
    metrics = read_json(job.parents["proxy"] / "metrics.json")
    write_over_pool(job, metrics, proxy.reshape(-1, job.spec.samples))


def write_over_pool(
    job: Job[OverPool], metrics: dict[str, Any], proxy: Float[Tensor, "prompts samples"]
) -> dict[str, float]:
    """The curves of best-of-n and of tilting by `proxy`; how gold follows the proxy within prompts."""
    golds = judged_samples(job.parents["pool"], proxy.shape)
    ns, scores = powers_of_two(job.spec.max_n), proxy.double().numpy()
    curves = {name: best_of_n_curve(scores, values, ns) for name, values in golds.items()}
    write_points(job, metrics, curves, scores.shape[1])
    common = curve_identity(job, metrics) | {"method": "tilt", "kl_penalty": 0.0, "kl_kind": "k1"}
    rows = []
    for tilted in tilts_at(scores, [point.kl for point in curves["gold"]]):
        row = {"temperature": tilted.temperature, "kl": tilted.kl, "ess": tilted.ess}
        row["kl_se"] = float(standard_error(tilted.kl_by_prompt))
        for name, of_kind in {"proxy": scores, "gold": golds["gold"].double().numpy()}.items():
            row[name], row[f"{name}_se"] = tilted.mean(of_kind)
        rows.append(common | row | {"prompts": len(scores), "samples": scores.shape[1]})
    write_rows(rows, job.out / "tilt.parquet")
    return follow(scores, golds["gold"].double().numpy())


def judged_samples(pool: Path, shape: torch.Size) -> dict[str, Float[Tensor, "prompts samples"]]:
    """What is known of each sample of a pool for the evaluation prompts, by the name of the column that curves have."""
    known = pooled(pool, "evaluation")
    if "gate" in known:  # what is known of gold alone is all that the curves of older worlds have
        known["length"] = Samples.load(pool / "evaluation.safetensors").lengths.float()
    return {name: values.reshape(shape) for name, values in known.items()}


def follow(
    proxy: Float64[np.ndarray, "prompts samples"], gold: Float64[np.ndarray, "prompts samples"]
) -> dict[str, float]:
    """Spread, correlation and slope of gold on the proxy within prompts, over the base policy's samples."""
    proxy, gold = (values - values.mean(1, keepdims=True) for values in (proxy, gold))
    both, own, other = float((proxy * gold).mean()), float((proxy**2).mean()), float((gold**2).mean())
    alive = own > 0
    return {
        "slope": both / own if alive else 0.0,
        "correlation": both / (own * other) ** 0.5 if alive else 0.0,
        "proxy_sd": own**0.5,
        "gold_sd": other**0.5,
    }


def best_texts(job: Job[BestOfNSpec], ns: list[int], gold: Tensor, proxy: Tensor) -> None:
    """For each prompt for show and n, the text that the proxy likes best among the first n samples."""
    tokenizer = load_tokenizer(job.parents["tokenizer"])
    completions = decode(Samples.load(job.parents["pool"] / "show.safetensors").ids, tokenizer)
    rows = []
    for k, prompt in enumerate(job.spec.show_prompts):
        for n in ns:
            best = int(proxy[k, :n].argmax())
            completion = completions[k * proxy.shape[1] + best]
            scores = {"gold": gold[k, best].item(), "proxy": proxy[k, best].item()}
            rows.append(
                {"prompt_text": prompt, "completion": completion, "n": n, "step": None, "kl": best_of_n_kl(n)}
                | scores
            )
    write_texts(job, "bon", rows)


def far_best_of_n(job: Job[FarBestOfNSpec]) -> None:
    """Best-of-n of one proxy over very many samples a prompt, of which gold judges those that count.

    Samples come a part at a time; what is known of the parts before is kept for a run that is stopped.
    """
    spec, device, batch = job.spec, job.runtime.device, job.runtime.batch
    gold_scale = Scale.load(job.parents["pool"], "gold")
    proxy_scale = Scale.load(job.parents["best_of_n"], "proxy")
    gold = load_gold(
        job.parents["gold"], load_tokenizer(job.parents["tokenizer"]), device, frozen_dtype(spec.frozen)
    )
    proxy = load_proxy(job.parents["proxy"], device, frozen_dtype(spec.frozen))
    ns = powers_of_two(spec.max_n)
    found = job.checkpoint.load()
    nothing = dict.fromkeys(("gold", "proxy"), torch.empty(0, len(ns), dtype=torch.float64))
    by_prompt = found[0] if found else nothing  # [prompts so far, n]
    judged = found[1]["judged"] if found else 0
    parts = [job.parents[f"part_{k}"] for k in range(spec.parts)]
    for k, part in enumerate(parts):
        if found and k <= found[1]["part"]:
            continue
        samples = Samples.load(part / "samples.safetensors")
        scores = proxy_scale(proxy.score(samples, batch=batch)).reshape(-1, spec.samples).double().numpy()
        chance = inclusion_chance(scores, spec.exact)
        # the same random numbers for every proxy: their curves differ by less
        chosen = np.random.default_rng(derive(spec.seed, "gold inclusion", k)).random(scores.shape) < chance
        where = torch.from_numpy(chosen.ravel().nonzero()[0])
        judgement = gold_scale(gold.score(samples[where], batch=batch)).double().numpy()
        points = best_of_n_curve(scores, spread_gold(judgement, chosen, chance), ns)
        for name, before in by_prompt.items():
            new = np.stack([getattr(point, f"{name}_by_prompt") for point in points], 1)
            by_prompt[name] = torch.cat([before, torch.from_numpy(new)])
        judged += len(where)
        job.checkpoint.save(by_prompt, {"part": k, "judged": judged})
        job.progress(k + 1, len(parts))
    metrics = read_json(job.parents["proxy"] / "metrics.json")
    golds, proxies = (by_prompt[name].T.numpy() for name in ("gold", "proxy"))
    write_points(job, metrics, {"gold": summaries(ns, golds, proxies)}, spec.samples)
    write_json(job.out / "judged.json", {"judged": judged, "samples": golds.shape[1] * spec.samples})


def write_points(
    job: Job[Curved],
    metrics: dict[str, Any],
    curves: Mapping[str, Sequence[BestOfN]],
    samples: int,
) -> None:
    """A best-of-n curve as curve.parquet and by_prompt.parquet; `curves`: by gold, and by what else has a column."""
    points, known = curves["gold"], columns()
    common = curve_identity(job, metrics) | {
        "method": "bon",
        "kl_penalty": 0.0,
        "kl_kind": "analytic",
        "kl_se": 0.0,
        "prompts": len(points[0].gold_by_prompt),
        "samples": samples,
    }
    rows, by_prompt = [], []
    for k, point in enumerate(points):
        fields = ("n", "kl", "gold", "gold_se", "proxy", "proxy_se")
        row = {name: getattr(point, name) for name in fields}
        for column in curves.keys() - {"gold"}:
            row[column] = curves[column][k].gold
            if f"{column}_se" in known:
                row[f"{column}_se"] = curves[column][k].gold_se
        rows.append(common | row)
        of_prompts = {
            name: curves[name][k].gold_by_prompt for name in ("gold", *STRICTNESS) if name in curves
        }
        of_prompts["proxy"] = point.proxy_by_prompt
        for prompt in range(len(point.gold_by_prompt)):
            place = {"n": point.n, "prompt": prompt, "kl": point.kl}
            by_prompt.append(place | {name: values[prompt] for name, values in of_prompts.items()})
    write_curve(job, rows, by_prompt)
