"""The stages that measure: best-of-n and PPO against one proxy, judged by gold on the same held-out prompts."""

from typing import Any

import polars as pl
import torch
from safetensors.torch import load_file

from overopt import curves
from overopt.best_of_n import best_of_n_curve, best_of_n_kl
from overopt.files import read_json, write_json
from overopt.gold_model import GoldModel
from overopt.models import load_language_model, load_reward_model, load_tokenizer, new_reward_model
from overopt.optimise import Evaluation, optimise
from overopt.reward import Scale, proxy_gain, score
from overopt.sampling import Samples, decode, encode_prompts, sample_many
from overopt.seeding import derive, generator
from overopt.stages import encoded_prompts, save_model
from overopt.store import Job
from overopt.study import PPO

Row = dict[str, Any]


def best_of_n(job: Job) -> None:
    """Best-of-n of one proxy over the pool: curve, curve by prompt, and texts for the prompts for show."""
    spec, pool = job.spec, job.parents["pool"]
    scale = Scale(**read_json(pool / "scale.json"))
    model = load_reward_model(job.parents["proxy"] / "model", job.runtime.device)
    metrics = read_json(job.parents["proxy"] / "metrics.json")
    raw = {
        use: score(model, Samples.load(pool / f"{use}.safetensors"), batch=job.runtime.batch)
        for use in ("evaluation", "show")
    }
    margins = load_file(job.parents["proxy"] / "margins.safetensors")
    gain = proxy_gain(margins["proxy"].numpy(), scale.gain * margins["gold"].numpy())
    proxy_scale = Scale.centred(gain, raw["evaluation"].double().mean().item())
    write_json(job.out / "scale.json", {"gain": proxy_scale.gain, "bias": proxy_scale.bias})
    shape = (-1, spec["samples"])
    gold = scale(load_file(pool / "evaluation_gold.safetensors")["gold"]).reshape(shape)
    ns = [2**k for k in range(spec["max_n"].bit_length()) if 2**k <= spec["max_n"]]
    points = best_of_n_curve(proxy_scale(raw["evaluation"]).reshape(shape), gold, ns)
    common = curve_identity(job, metrics) | {
        "method": "bon",
        "kl_penalty": 0.0,
        "kl_kind": "analytic",
        "kl_se": 0.0,
        "prompts": gold.shape[0],
        "samples": gold.shape[1],
    }
    rows, by_prompt = [], []
    for point in points:
        fields = ("n", "kl", "gold", "gold_se", "proxy", "proxy_se")
        rows.append(common | {name: getattr(point, name) for name in fields})
        for prompt, (g, p) in enumerate(zip(point.gold_by_prompt, point.proxy_by_prompt, strict=True)):
            by_prompt.append({"n": point.n, "prompt": prompt, "kl": point.kl, "gold": g, "proxy": p})
    write_curve(job, rows, by_prompt)
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


def ppo(job: Job) -> None:
    """A policy trained against one proxy with PPO, evaluated by gold on the evaluation prompts along the way."""
    spec, device, batch = job.spec, job.runtime.device, job.runtime.batch
    tokenizer = load_tokenizer(job.parents["tokenizer"])
    config = PPO(**spec["ppo"])
    policy, reference = (load_language_model(job.parents["policy"] / "model", device) for _ in range(2))
    value_base = load_language_model(job.parents["value_model"] / "model")
    value_model = new_reward_model(value_base, derive(spec["seed"], "value")).to(device)
    gold = GoldModel.load(job.parents["gold"], tokenizer, device)
    proxy = load_reward_model(job.parents["proxy"] / "model", device)
    scales = {
        "gold": Scale(**read_json(job.parents["pool"] / "scale.json")),
        "proxy": Scale(**read_json(job.parents["best_of_n"] / "scale.json")),
    }

    # batches of the study, not of the machine: the policy learns from the last bits of a reward
    judges = {
        "gold": lambda samples: scales["gold"](gold.score(samples, batch=config.minibatch)),
        "proxy": lambda samples: scales["proxy"](score(proxy, samples, batch=config.minibatch)),
    }

    evaluation = encoded_prompts(job, "evaluation", spec["evaluation_prompts"])
    show = encode_prompts(spec["show_prompts"], tokenizer)
    common = curve_identity(job, read_json(job.parents["proxy"] / "metrics.json")) | {
        "method": "ppo",
        "kl_penalty": spec["kl_penalty"],
        "kl_kind": "exact",
        "prompts": len(evaluation),
        "samples": config.evaluation_samples,
    }
    # of the evaluations so far; a run that goes on from a checkpoint finds those before it
    found = job.checkpoint.load()
    kept: dict[str, list[Row]] = found[1]["kept"] if found else {"rows": [], "by_prompt": [], "texts": []}
    for look in optimise(
        policy,
        reference,
        value_model,
        judges["proxy"],
        encoded_prompts(job, "policy", config.prompts),
        evaluation,
        config,
        completion_tokens=spec["completion_tokens"],
        kl_penalty=spec["kl_penalty"],
        seed=spec["seed"],
        batch=batch,
        progress=job.progress,
        checkpoint=job.checkpoint,
        found=found,
        kept=lambda: kept,
    ):
        scores = {name: judge(look.samples) for name, judge in judges.items()}
        point, of_prompts = ppo_point(look, scores, len(evaluation))
        kept["rows"].append(common | point)
        kept["by_prompt"] += of_prompts
        shown = sample_many(
            policy, show, 1, spec["completion_tokens"], generator=generator(spec["seed"], "show"), batch=batch
        )
        shown_scores = zip(*(judges[name](shown).tolist() for name in ("gold", "proxy")), strict=True)
        completions = decode(shown.ids, tokenizer)
        for prompt, completion, (g, p) in zip(spec["show_prompts"], completions, shown_scores, strict=True):
            text = {"prompt_text": prompt, "completion": completion, "n": None, "step": look.step}
            kept["texts"].append(text | {"kl": point["kl"], "gold": g, "proxy": p})
    write_curve(job, kept["rows"], kept["by_prompt"])
    write_texts(job, "ppo", kept["texts"])
    save_model(policy, job.out)


def ppo_point(look: Evaluation, scores: dict[str, torch.Tensor], prompts: int) -> tuple[Row, list[Row]]:
    """One evaluation as a row of the curves table and one row a prompt; samples of a prompt stand in a row."""
    values = scores | {
        "kl": look.kl[:, 0].clamp_min(0),  # a sum of non-negative terms, up to rounding
        "kl_k1": look.kl[:, 1],
        "kl_k3": look.kl[:, 2].clamp_min(0),
        "length": look.samples.lengths,
    }
    means = {name: value.double().reshape(prompts, -1).mean(-1) for name, value in values.items()}
    point: Row = {name: mean.mean().item() for name, mean in means.items()}
    for name in ("gold", "proxy", "kl"):
        point[f"{name}_se"] = (means[name].std() / prompts**0.5).item()
    seen = look.iteration
    point |= {
        "step": look.step,
        "clip_fraction": seen.clip_fraction if seen else None,
        "entropy": seen.entropy if seen else None,
    }
    of_prompts = [
        {"step": look.step, "prompt": k} | {name: means[name][k].item() for name in ("kl", "gold", "proxy")}
        for k in range(prompts)
    ]
    return point, of_prompts


def curve_identity(job: Job, metrics: dict[str, Any]) -> dict[str, Any]:
    """The columns that say which curve a row belongs to."""
    return {
        **job.spec["curve"],
        "rm_params": metrics["parameters"],
        "pairs": metrics["pairs"],
        "rm_loss": metrics["validation_loss"],
        "rm_accuracy": metrics["validation_accuracy"],
        "record": job.keys["self"],
    }


def write_curve(job: Job, rows: list[dict[str, Any]], by_prompt: list[dict[str, Any]]) -> None:
    """curve.parquet and by_prompt.parquet, checked against their schemas."""
    blank = dict.fromkeys(("n", "step", "kl_k1", "kl_k3", "clip_fraction", "entropy", "length"))
    table = pl.DataFrame([blank | row for row in rows], infer_schema_length=None)
    curves.write(table, job.out / "curve.parquet")
    blank = {"record": job.keys["self"], "n": None, "step": None}
    table = pl.DataFrame([blank | row for row in by_prompt], infer_schema_length=None)
    curves.write_by_prompt(table, job.out / "by_prompt.parquet")


def write_texts(job: Job, method: str, rows: list[dict[str, Any]]) -> None:
    """texts.parquet."""
    keyed = [{"method": method, "record": job.keys["self"]} | row for row in rows]
    schema = {"n": pl.Int64, "step": pl.Int64}
    pl.DataFrame(keyed, schema_overrides=schema).write_parquet(job.out / "texts.parquet")
