"""The stages of a study, each a pure function of its spec and its parents: data, models, pairs, curves.

`plan.py` says which stages a study has; this file says what each does. A stage reads `job.spec` and
`job.parents` and writes files into `job.out`, nothing else.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from overopt import curves, data
from overopt.best_of_n import best_of_n_curve
from overopt.errors import UserError
from overopt.models import (
    Shape,
    count_parameters,
    load_language_model,
    load_reward_model,
    load_tokenizer,
    new_language_model,
    new_reward_model,
    train_tokenizer,
)
from overopt.optimise import optimise
from overopt.preferences import Pairs, draw, pair_up, split
from overopt.reward import Scale, gold_scale, proxy_gain, score
from overopt.sampling import Prompts, Samples, decode, encode_prompts, sample_many
from overopt.seeding import derive, generator
from overopt.store import Job
from overopt.study import PPO
from overopt.training.language_model import train_language_model, validation_loss
from overopt.training.reward_model import pair_margins, train_reward_model

VALIDATION_SENTENCES = 1000  # of the language-model split, for its validation loss


def corpus(job: Job) -> None:
    """Sentences and ratings, split; prompts of every use."""
    world = data.load_world(job.spec["seed"])
    world.sentences.write_parquet(job.out / "sentences.parquet")
    world.ratings.write_parquet(job.out / "ratings.parquet")


def tokenizer(job: Job) -> None:
    """BPE trained on the language-model split, and that split encoded, in random order."""
    texts = split_texts(job.parents["corpus"], "language_model")
    made = train_tokenizer(texts, job.spec["vocabulary"])
    made.save_pretrained(job.out)
    order = np.random.default_rng(derive(job.spec["seed"], "language model sentences")).permutation(
        len(texts)
    )
    rows = encode_sentences([texts[i] for i in order], made, job.spec["sentence_tokens"])
    pl.DataFrame({"tokens": rows}, schema={"tokens": pl.List(pl.UInt16)}).write_parquet(
        job.out / "rows.parquet"
    )


def language_model(job: Job) -> None:
    """A decoder trained on single sentences."""
    spec, tokenizer = job.spec, load_tokenizer(job.parents["tokenizer"])
    table = pl.read_parquet(job.parents["tokenizer"] / "rows.parquet")["tokens"]
    # no more rows than the budget can use: lists of all of them would fill a gigabyte
    enough = int((table[VALIDATION_SENTENCES:].list.len().cum_sum() < spec["tokens"]).sum()) + spec["batch"]
    rows = table[: VALIDATION_SENTENCES + enough].to_list()
    model = new_language_model(Shape(**spec["shape"]), tokenizer, spec["positions"], spec["seed"])
    train_language_model(
        model.to(job.runtime.device),
        rows[VALIDATION_SENTENCES:],
        tokens=spec["tokens"],
        batch=spec["batch"],
        learning_rate=spec["learning_rate"],
        generator=generator(spec["seed"], "language model batches"),
        progress=job.progress,
    )
    loss = validation_loss(model, rows[:VALIDATION_SENTENCES])
    save_model(model, job.out)
    write_json(job.out / "metrics.json", {"parameters": count_parameters(model), "validation_loss": loss})


def pairs(job: Job) -> None:
    """Two base-policy samples for each prompt, scored by gold."""
    spec, prompts = job.spec, encoded_prompts(job, "pairs", job.spec["count"])
    policy = load_language_model(job.parents["policy"] / "model", job.runtime.device)
    samples = sample_many(
        policy,
        prompts,
        2,
        spec["completion_tokens"],
        generator=generator(spec["seed"], "pairs"),
        batch=job.runtime.batch,
        progress=job.progress,
    )
    gold = load_reward_model(job.parents["gold"] / "model", job.runtime.device)
    samples.save(job.out / "samples.safetensors")
    save_file({"gold": score(gold, samples, batch=job.runtime.batch)}, job.out / "gold.safetensors")


def load_pairs(folder: Path) -> Pairs:
    """The labelled pairs of a `pairs` stage."""
    return pair_up(
        Samples.load(folder / "samples.safetensors"), load_file(folder / "gold.safetensors")["gold"]
    )


def pool(job: Job) -> None:
    """Base-policy samples of the evaluation prompts, and of the prompts for show, scored by gold.

    The evaluation samples fix gold's scale: base policy at 0, standard deviation 1.
    """
    spec, tokenizer = job.spec, load_tokenizer(job.parents["tokenizer"])
    policy = load_language_model(job.parents["policy"] / "model", job.runtime.device)
    gold = load_reward_model(job.parents["gold"] / "model", job.runtime.device)
    uses = {
        "evaluation": encoded_prompts(job, "evaluation", spec["prompts"]),
        "show": encode_prompts(spec["show_prompts"], tokenizer),
    }
    total = sum(map(len, uses.values())) * spec["samples"]
    for use, prompts in uses.items():
        samples = sample_many(
            policy,
            prompts,
            spec["samples"],
            spec["completion_tokens"],
            generator=generator(spec["seed"], "pool", use),
            batch=job.runtime.batch,
            progress=lambda done, _: job.progress(done, total),
        )
        scores = score(gold, samples, batch=job.runtime.batch)
        samples.save(job.out / f"{use}.safetensors")
        save_file({"gold": scores}, job.out / f"{use}_gold.safetensors")
        if use == "evaluation":
            scale = gold_scale(scores)
            write_json(job.out / "scale.json", {"gain": scale.gain, "bias": scale.bias})


def proxy(job: Job) -> None:
    """A reward model trained on gold-labelled pairs and calibrated on held-out ones."""
    spec = job.spec
    training, validation = split(load_pairs(job.parents["pairs"]), spec["validation"])
    training = draw(training, spec["pairs"], spec["seed"])
    base = load_language_model(job.parents["language_model"] / "model")
    model = new_reward_model(base, spec["seed"]).to(job.runtime.device)
    train_reward_model(
        model,
        training.first,
        training.second,
        training.first_wins,
        batch=spec["batch"],
        learning_rate=spec["learning_rate"],
        generator=generator(spec["seed"], "proxy batches"),
        progress=job.progress,
    )
    margins = pair_margins(model, validation.first, validation.second).numpy().astype(np.float64)
    gold_margins = validation.margin.numpy().astype(np.float64)
    gain = proxy_gain(margins, gold_margins)
    signed = np.where(gold_margins > 0, 1.0, -1.0) * margins
    metrics = {
        "parameters": count_parameters(model),
        "pairs": spec["pairs"],
        "validation_pairs": len(validation),
        # after calibration: what the comparison of sizes should not owe to overconfidence
        "validation_loss": float(np.logaddexp(0, -gain * signed).mean()),
        "raw_validation_loss": float(np.logaddexp(0, -signed).mean()),
        "validation_accuracy": float((signed > 0).mean() + 0.5 * (signed == 0).mean()),
        "gain": gain,
    }
    save_model(model, job.out)
    write_json(job.out / "metrics.json", metrics)


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
    proxy_scale = calibrated(metrics["gain"], scale, raw["evaluation"].mean().item())
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
        "samples": gold.numel(),
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
            kl = float(np.log(n) - (n - 1) / n)
            rows.append(
                {"prompt_text": prompt, "completion": completion, "n": n, "step": None, "kl": kl} | scores
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
    proxy = load_reward_model(job.parents["proxy"] / "model", device)
    gold = load_reward_model(job.parents["gold"] / "model", device)
    proxy_scale = Scale(**read_json(job.parents["best_of_n"] / "scale.json"))
    gold_scale = Scale(**read_json(job.parents["pool"] / "scale.json"))
    evaluation = encoded_prompts(job, "evaluation", spec["evaluation_prompts"])
    show = encode_prompts(spec["show_prompts"], tokenizer)
    rows: list[dict[str, Any]] = []
    by_prompt: list[dict[str, Any]] = []
    texts: list[dict[str, Any]] = []
    common = curve_identity(job, read_json(job.parents["proxy"] / "metrics.json")) | {
        "method": "ppo",
        "kl_penalty": spec["kl_penalty"],
        "kl_kind": "exact",
        "prompts": len(evaluation),
        "samples": len(evaluation) * config.evaluation_samples,
    }
    run = optimise(
        policy,
        reference,
        value_model,
        lambda samples: proxy_scale(score(proxy, samples, batch=batch)),
        encoded_prompts(job, "policy", config.prompts),
        evaluation,
        config,
        completion_tokens=spec["completion_tokens"],
        kl_penalty=spec["kl_penalty"],
        seed=spec["seed"],
        batch=batch,
        progress=job.progress,
    )
    for look in run:
        scored = {
            "gold": gold_scale(score(gold, look.samples, batch=batch)),
            "proxy": proxy_scale(score(proxy, look.samples, batch=batch)),
            "kl": look.kl[:, 0],
            "kl_k1": look.kl[:, 1],
            "kl_k3": look.kl[:, 2],
            "length": look.samples.lengths.float(),
        }
        means = {name: v.double().reshape(len(evaluation), -1).mean(-1) for name, v in scored.items()}
        errors = {
            f"{name}_se": (means[name].std() / len(evaluation) ** 0.5).item()
            for name in ("gold", "proxy", "kl")
        }
        iteration = look.iteration
        rows.append(
            common
            | {name: value.mean().item() for name, value in means.items()}
            | errors
            | {
                "step": look.step,
                "clip_fraction": iteration.clip_fraction if iteration else None,
                "entropy": iteration.entropy if iteration else None,
            }
        )
        for k in range(len(evaluation)):
            means_of = {name: means[name][k].item() for name in ("kl", "gold", "proxy")}
            by_prompt.append({"step": look.step, "prompt": k} | means_of)
        shown = sample_many(
            policy, show, 1, spec["completion_tokens"], generator=generator(spec["seed"], "show"), batch=batch
        )
        judged = zip(
            spec["show_prompts"],
            decode(shown.ids, tokenizer),
            gold_scale(score(gold, shown)).tolist(),
            proxy_scale(score(proxy, shown)).tolist(),
            strict=True,
        )
        for prompt, completion, g, p in judged:
            text = {"prompt_text": prompt, "completion": completion, "n": None, "step": look.step}
            texts.append(text | {"kl": rows[-1]["kl"], "gold": g, "proxy": p})
    write_curve(job, rows, by_prompt)
    write_texts(job, "ppo", texts)
    save_model(policy, job.out)


def split_texts(corpus: Path, split: str) -> list[str]:
    """Sentences of one split."""
    return pl.read_parquet(corpus / "sentences.parquet").filter(pl.col("split") == split)["text"].to_list()


def encode_sentences(texts: list[str], tokenizer: PreTrainedTokenizerFast, limit: int) -> list[list[int]]:
    """BOS, tokens and EOS of each text, cut at `limit` tokens."""
    encoded = tokenizer(texts, add_special_tokens=False)["input_ids"]
    return [[tokenizer.bos_token_id, *row, tokenizer.eos_token_id][:limit] for row in encoded]


def prompt_table(job: Job, split: str, count: int) -> pl.DataFrame:
    """`count` prompts of `split` with their sentences, none over the spec's `prompt_tokens` tokens, BOS included.

    Raises:
        UserError: if the split holds fewer.
    """
    tokenizer = load_tokenizer(job.parents["tokenizer"])
    sentences = pl.read_parquet(job.parents["corpus"] / "sentences.parquet")
    found = data.prompts(sentences, split, job.spec["prompt_words"], job.spec["corpus_seed"])
    tokens = tokenizer(found["prompt"].to_list(), add_special_tokens=False)["input_ids"]
    short = found.filter(pl.Series([len(row) < job.spec["prompt_tokens"] for row in tokens]))
    if len(short) < count:
        raise UserError(f"prompts of split {split!r}: found {len(short)}, the study expects {count}")
    return short[:count]


def encoded_prompts(job: Job, split: str, count: int) -> Prompts:
    """The prompts of `prompt_table`, encoded."""
    tokenizer = load_tokenizer(job.parents["tokenizer"])
    return encode_prompts(prompt_table(job, split, count)["prompt"].to_list(), tokenizer)


def calibrated(gain: float, gold: Scale, base_mean: float) -> Scale:
    """A proxy's scale: its logits times the calibration gain are gold logits; then gold's unit, base policy at 0."""
    total = gain * gold.gain
    return Scale(total, -total * base_mean)


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


def save_model(model: PreTrainedModel, out: Path) -> None:
    """`out/model`, loadable with transformers' `from_pretrained`."""
    model.save_pretrained(out / "model")


def write_json(path: Path, value: Any) -> None:
    """Indented JSON."""
    path.write_text(json.dumps(value, indent=1, allow_nan=False))


def read_json(path: Path) -> Any:
    """What `write_json` wrote."""
    return json.loads(path.read_text())
