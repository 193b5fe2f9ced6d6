"""The stage that measures PPO against one proxy, judged by gold on held-out prompts; what every curve is made of."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
from jaxtyping import Float
from torch import Tensor

from overopt import curves
from overopt.files import read_json
from overopt.golds import Gold
from overopt.job import Job
from overopt.models import load_language_model, load_reward_model, load_tokenizer, new_reward_model
from overopt.optimise import Evaluation, optimise
from overopt.pretrained_specs import LoRA
from overopt.reward import Scale, score
from overopt.sampling import Samples, decode, sample_kl, sample_many
from overopt.seeding import derive, generator
from overopt.specs import PPO
from overopt.stages import encoded, encoded_prompts, gold_judges, save_model

Row = dict[str, Any]
Judge = Callable[[Samples], Tensor]


def ppo(job: Job) -> None:
    """A policy trained against one proxy with PPO, evaluated by gold on the evaluation prompts along the way."""
    spec, device, batch = job.spec, job.runtime.device, job.runtime.batch
    tokenizer = load_tokenizer(job.parents["tokenizer"])
    config = PPO(**spec["ppo"])
    policy = load_language_model(job.parents["policy"] / "model", device)
    adapted = None
    if "lora" in spec:
        from overopt.training.lora import Adapted  # a study without it does not wait for peft

        adapted = Adapted(policy, LoRA(**spec["lora"]), spec["seed"])
        policy, reference = adapted.policy, adapted.reference()
    else:
        reference = load_language_model(job.parents["policy"] / "model", device)
    value_base = load_language_model(job.parents["value_model"] / "model")
    value_model = new_reward_model(value_base, derive(spec["seed"], "value")).to(device)
    proxy = load_reward_model(job.parents["proxy"] / "model", device)
    scale = Scale.load(job.parents["scale"], "proxy")
    # batches of the study, not of the machine: the policy learns from the last bits of a reward
    judges: dict[str, Judge] = {"proxy": lambda samples: scale(score(proxy, samples, batch=config.minibatch))}
    for name, gold in gold_judges(job).items():
        judges[name] = scaled(gold, Scale.load(job.parents["pool"], name), config.minibatch)
    # where a round of RLHF starts from an optimised policy, KL is from the policy that all rounds began with
    initial = (
        load_language_model(job.parents["initial"] / "model", device) if "initial" in job.parents else None
    )

    evaluation = encoded_prompts(job, "evaluation", spec["evaluation_prompts"])
    show = encoded(job, spec["show_prompts"])
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
        whole = sample_kl(policy, initial, look.samples) if initial else None
        point, of_prompts = ppo_point(look, scores, len(evaluation), whole)
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
    save_model(adapted.merged() if adapted else policy, job.out)


def scaled(gold: Gold, scale: Scale, batch: int) -> Judge:
    """Gold's score of samples in base-policy SDs."""
    return lambda samples: scale(gold.score(samples, batch=batch))


def ppo_point(
    look: Evaluation,
    scores: dict[str, Tensor],
    prompts: int,
    whole: Float[Tensor, "samples three"] | None = None,
) -> tuple[Row, list[Row]]:
    """One evaluation as a row of the curves table and one row a prompt; samples of a prompt stand in a row.

    `whole` is the KL from the base policy where the run started from another one.
    """
    kl = look.kl if whole is None else whole
    values = {"gold_second" if name == "second_gold" else name: value for name, value in scores.items()} | {
        "kl": kl[:, 0].clamp_min(0),  # a sum of non-negative terms, up to rounding
        "kl_k1": kl[:, 1],
        "kl_k3": kl[:, 2].clamp_min(0),
        "length": look.samples.lengths,
    }
    if whole is not None:
        values["kl_round"] = look.kl[:, 0].clamp_min(0)
    means = {name: value.double().reshape(prompts, -1).mean(-1) for name, value in values.items()}
    point: Row = {name: mean.mean().item() for name, mean in means.items()}
    for name in {"gold", "proxy", "kl", "gold_second"} & set(means):
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
        "epochs": metrics["epochs"],
        "rm_loss": metrics["validation_loss"],
        "rm_accuracy": metrics["validation_accuracy"],
        "record": job.keys["self"],
    }


def write_curve(job: Job, rows: list[dict[str, Any]], by_prompt: list[dict[str, Any]]) -> None:
    """curve.parquet and by_prompt.parquet, checked against their schemas."""
    write_rows(rows, job.out / "curve.parquet")
    blank = {"record": job.keys["self"], "n": None, "step": None}
    table = pl.DataFrame([blank | row for row in by_prompt], infer_schema_length=None)
    curves.write_by_prompt(table, job.out / "by_prompt.parquet")


def write_rows(rows: list[dict[str, Any]], path: Path) -> None:
    """Rows of the curves table, with nothing in the columns that a method knows nothing of."""
    blank = {name: None for name in curves.columns()} | {"rounds": 1, "round": 1}
    curves.write(pl.DataFrame([blank | row for row in rows], infer_schema_length=None), path)


def write_texts(job: Job, method: str, rows: list[dict[str, Any]]) -> None:
    """texts.parquet."""
    keyed = [{"method": method, "record": job.keys["self"]} | row for row in rows]
    schema = {"n": pl.Int64, "step": pl.Int64}
    pl.DataFrame(keyed, schema_overrides=schema).write_parquet(job.out / "texts.parquet")
