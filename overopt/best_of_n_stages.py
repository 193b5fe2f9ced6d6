"""The stages that measure best-of-n against one proxy, judged by gold on held-out prompts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from overopt.best_of_n import BestOfN, best_of_n_curve, best_of_n_kl, summaries
from overopt.curve_stages import curve_identity, write_curve, write_texts
from overopt.files import read_json, write_json
from overopt.gold_inclusion import inclusion_chance, spread_gold
from overopt.gold_model import GoldModel
from overopt.models import load_reward_model, load_tokenizer
from overopt.reward import Scale, proxy_gain, score
from overopt.sampling import Samples, decode
from overopt.seeding import derive
from overopt.store import Job


def best_of_n(job: Job) -> None:
    """Best-of-n of one proxy over the pool: curve, curve by prompt, and texts for the prompts for show."""
    spec, pool = job.spec, job.parents["pool"]
    scale = Scale.load(pool)
    model = load_reward_model(job.parents["proxy"] / "model", job.runtime.device)
    metrics = read_json(job.parents["proxy"] / "metrics.json")
    raw = {
        use: score(model, Samples.load(pool / f"{use}.safetensors"), batch=job.runtime.batch)
        for use in ("evaluation", "show")
    }
    margins = load_file(job.parents["proxy"] / "margins.safetensors")
    gain = proxy_gain(margins["proxy"].numpy(), scale.gain * margins["gold"].numpy())
    proxy_scale = Scale.centred(gain, raw["evaluation"].double().mean().item())
    proxy_scale.save(job.out)
    shape, ns = (-1, spec["samples"]), powers_of_two(spec["max_n"])
    gold = scale(load_file(pool / "evaluation_gold.safetensors")["gold"]).reshape(shape)
    points = best_of_n_curve(proxy_scale(raw["evaluation"]).reshape(shape), gold, ns)
    write_points(job, metrics, points, spec["samples"])
    show_gold = scale(load_file(pool / "show_gold.safetensors")["gold"]).reshape(shape)
    best_texts(job, ns, show_gold, proxy_scale(raw["show"]).reshape(shape))


def best_texts(job: Job, ns: list[int], gold: torch.Tensor, proxy: torch.Tensor) -> None:
    """For each prompt for show and n, the text that the proxy likes best among the first n samples."""
    tokenizer = load_tokenizer(job.parents["tokenizer"])
    completions = decode(Samples.load(job.parents["pool"] / "show.safetensors").ids, tokenizer)
    rows = []
    for k, prompt in enumerate(job.spec["show_prompts"]):
        for n in ns:
            best = int(proxy[k, :n].argmax())
            completion = completions[k * proxy.shape[1] + best]
            scores = {"gold": gold[k, best].item(), "proxy": proxy[k, best].item()}
            rows.append(
                {"prompt_text": prompt, "completion": completion, "n": n, "step": None, "kl": best_of_n_kl(n)}
                | scores
            )
    write_texts(job, "bon", rows)


def far_best_of_n(job: Job) -> None:
    """Best-of-n of one proxy over very many samples a prompt, of which gold judges those that count.

    Samples come a part at a time; what is known of the parts before is kept for a run that is stopped.
    """
    spec, device, batch = job.spec, job.runtime.device, job.runtime.batch
    gold_scale, proxy_scale = (Scale.load(job.parents[role]) for role in ("pool", "best_of_n"))
    gold = GoldModel.load(job.parents["gold"], load_tokenizer(job.parents["tokenizer"]), device)
    proxy = load_reward_model(job.parents["proxy"] / "model", device)
    ns = powers_of_two(spec["max_n"])
    found = job.checkpoint.load()
    nothing = dict.fromkeys(("gold", "proxy"), torch.empty(0, len(ns), dtype=torch.float64))
    by_prompt = found[0] if found else nothing  # [prompts so far, n]
    judged = found[1]["judged"] if found else 0
    parts = [job.parents[f"part_{k}"] for k in range(spec["parts"])]
    for k, part in enumerate(parts):
        if found and k <= found[1]["part"]:
            continue
        samples = Samples.load(part / "samples.safetensors")
        scores = proxy_scale(score(proxy, samples, batch=batch)).reshape(-1, spec["samples"]).double().numpy()
        chance = inclusion_chance(scores, spec["exact"])
        # the same random numbers for every proxy: their curves differ by less
        chosen = (
            np.random.default_rng(derive(spec["seed"], "gold inclusion", k)).random(scores.shape) < chance
        )
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
    write_points(job, metrics, summaries(ns, golds, proxies), spec["samples"])
    write_json(job.out / "judged.json", {"judged": judged, "samples": golds.shape[1] * spec["samples"]})


def powers_of_two(largest: int) -> list[int]:
    """1, 2, 4, ... up to `largest`."""
    return [2**k for k in range(largest.bit_length()) if 2**k <= largest]


def write_points(job: Job, metrics: dict[str, Any], points: Sequence[BestOfN], samples: int) -> None:
    """A best-of-n curve as curve.parquet and by_prompt.parquet."""
    common = curve_identity(job, metrics) | {
        "method": "bon",
        "kl_penalty": 0.0,
        "kl_kind": "analytic",
        "kl_se": 0.0,
        "prompts": len(points[0].gold_by_prompt),
        "samples": samples,
    }
    rows, by_prompt = [], []
    for point in points:
        fields = ("n", "kl", "gold", "gold_se", "proxy", "proxy_se")
        rows.append(common | {name: getattr(point, name) for name in fields})
        for prompt, (g, p) in enumerate(zip(point.gold_by_prompt, point.proxy_by_prompt, strict=True)):
            by_prompt.append({"n": point.n, "prompt": prompt, "kl": point.kl, "gold": g, "proxy": p})
    write_curve(job, rows, by_prompt)
