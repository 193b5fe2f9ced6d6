"""A study as a graph of stages, in an order in which each follows its parents."""

from dataclasses import dataclass
from typing import Any

from overopt import best_of_n_stages, curve_stages, gold, results, stages
from overopt.store import Stage
from overopt.study import BestOfN, FarBestOfN, Study

SAMPLES_A_STAGE = (
    50_000  # a minute or so of a small policy on one core: what a killed run may lose, and memory holds
)


@dataclass(frozen=True)
class Plan:
    """All stages of a study in topological order; the last one gathers the tables that pages are drawn from."""

    study: Study
    stages: tuple[Stage, ...]

    @property
    def tables(self) -> Stage:
        """The stage that gathers every table."""
        return self.stages[-1]


def plan(study: Study) -> Plan:
    """The stages of `study`. Each stage's spec holds just the fields that its result depends on."""
    made: list[Stage] = []

    def add(name: str, title: str, version: int, run: Any, spec: dict[str, Any], **parents: Stage) -> Stage:
        made.append(Stage(name, title, version, spec, parents, run))
        return made[-1]

    text, seed = study.text, study.seed
    corpus = add("corpus", "corpus", 1, stages.corpus, {"world": study.world, "seed": seed})
    encoding = {
        "vocabulary": text.vocabulary,
        "sentence_tokens": text.sentence_tokens,
        "seed": seed,
        "tokens": max(model.tokens for model in study.models.values()),
    }
    tokenizer = add("tokenizer", "tokenizer", 2, stages.tokenizer, encoding, corpus=corpus)
    world = {"corpus": corpus, "tokenizer": tokenizer}
    # what a stage needs to know to draw prompts and complete them
    prompting = {
        "corpus_seed": seed,
        "prompt_words": text.prompt_words,
        "prompt_tokens": text.prompt_tokens,
        "completion_tokens": text.completion_tokens,
    }
    models = {
        name: add(
            "language_model",
            f"language model {name}",
            2,
            stages.language_model,
            {
                **model.model_dump(mode="json"),
                "embedding_gain": study.embedding_gain,
                "positions": text.positions,
                "seed": seed,
            },
            tokenizer=tokenizer,
        )
        for name, model in study.models.items()
    }
    policy = models[study.policy]

    def base_samples(use: str, of: BestOfN | FarBestOfN) -> dict[str, Stage]:
        """Base-policy samples of the evaluation prompts, in parts, as parents by role."""
        prompts = max(1, SAMPLES_A_STAGE // of.samples)
        return {
            f"part_{k}": add(
                "samples",
                f"{use} samples, part {k}",
                1,
                stages.samples,
                {
                    **prompting,
                    "seed": seed,
                    "use": use,
                    "prompts": of.prompts,
                    "first": first,
                    "last": min(first + prompts, of.prompts),
                    "samples": of.samples,
                },
                **world,
                policy=policy,
            )
            for k, first in enumerate(range(0, of.prompts, prompts))
        }

    pool_parts = base_samples("evaluation", study.best_of_n)
    shown = {
        "seed": seed,
        "use": "show",
        "show_prompts": list(study.show_prompts),
        "samples": study.best_of_n.samples,
        "completion_tokens": text.completion_tokens,
    }
    show = add("samples", "samples for show", 1, stages.samples, shown, tokenizer=tokenizer, policy=policy)
    far = study.far_best_of_n
    far_parts = base_samples("far", far) if far else {}
    vectors = add(
        "word_vectors",
        "word vectors",
        1,
        gold.word_vectors,
        {
            "vocabulary": study.gold.rating.vocabulary,
            "sentences": study.gold.rating.sentences,
            "width": study.gold.rating.shape.width,
        },
        corpus=corpus,
    )
    training = {"steps", "batch", "learning_rate"}
    rating_training = study.gold.rating.model_dump(include=training)
    fluency_training = study.gold.fluency.model_dump(include=training) | {
        "embedding_gain": study.embedding_gain
    }
    ratings = {
        f"rating_model_{k}": add(
            "rating_model",
            f"rating model {k} of gold",
            1,
            gold.rating_model,
            {
                "seed": seed + k,
                "sentence_tokens": text.sentence_tokens,
                "shape": study.gold.rating.shape.model_dump(),
                "training": rating_training | {"embedding_gain": study.gold.rating.embedding_gain},
            },
            corpus=corpus,
            word_vectors=vectors,
        )
        for k in range(study.gold.rating.members)
    }
    gold_spec = {
        **prompting,
        "seed": seed,
        "sentence_tokens": text.sentence_tokens,
        "spoilt_texts": study.gold.fluency.texts,
    }
    ppo = study.ppo
    decoy_ppo = ppo.run.model_dump(mode="json") | {
        "learning_rate": study.decoys.learning_rate,
        "max_steps": study.decoys.max_steps,
        "max_kl": study.decoys.max_kl,
        "spacing": 1.0,
        "evaluation_samples": 1,
    }
    # judges are made of language models
    brief = {"steps": study.decoys.reward_steps, "embedding_gain": study.embedding_gain}
    decoys = {}
    for judge in study.decoys.judges:
        title = f"decoys against {judge.model}, " + (
            "ratings and fluency" if judge.fluency else "ratings alone"
        )
        spec = gold_spec | {
            "prompts": study.decoys.prompts,
            "rating_training": rating_training | brief,
            "fluency": judge.fluency,
            "fluency_training": fluency_training | brief,
            "min_kl": study.decoys.min_kl,
            "ppo": decoy_ppo,
        }
        decoys[title] = add(
            "decoys",
            title,
            3,
            gold.decoys,
            spec,
            **world,
            policy=policy,
            judge=models[judge.model],
            value_model=models[ppo.value_model],
        )
    gold_model = add(
        "gold",
        "gold reward model",
        3,
        gold.gold,
        gold_spec | {"training": fluency_training},
        **world,
        **ratings,
        language_model=models[study.gold.fluency.model],
        **decoys,
    )

    judged = {"tokenizer": tokenizer, "gold": gold_model}
    pairs = add(
        "pairs",
        "labelled pairs",
        2,
        stages.pairs,
        {**prompting, "seed": seed, "count": study.pairs.count},
        **world,
        policy=policy,
        gold=gold_model,
    )
    pool = add("pool", "pool", 2, stages.pool, {"parts": len(pool_parts)}, **judged, **pool_parts, show=show)
    grid = [
        (name, count, k)
        # largest first: the longest stages should not be the last to start
        for name in reversed(study.proxies.models)
        for count in study.proxies.pairs
        for k in range(study.proxies.seeds)
    ]
    for name, count, k in grid:
        label = f"{name}, {count} pairs, seed {k}"
        proxy = add(
            "proxy",
            f"proxy {label}",
            2,
            stages.proxy,
            {
                "seed": k,
                "pairs": count,
                "validation": study.pairs.validation,
                "batch": study.proxies.batch,
                "learning_rate": study.proxies.learning_rates[name],
                "embedding_gain": study.embedding_gain,
            },
            language_model=models[name],
            pairs=pairs,
        )
        curve = {
            "study": study.name,
            "world": study.world,
            "policy_params": study.models[study.policy].shape.parameters,
            "label_noise": 0.0,
            "ensemble": "single",
            "seed": k,
        }
        bon = add(
            "best_of_n",
            f"best-of-n {label}",
            1,
            best_of_n_stages.best_of_n,
            {
                "curve": curve,
                "samples": study.best_of_n.samples,
                "max_n": study.best_of_n.max_n,
                "show_prompts": list(study.show_prompts),
            },
            tokenizer=tokenizer,
            pool=pool,
            proxy=proxy,
        )
        if name in ppo.proxies and count == ppo.pairs and k < ppo.seeds:
            for penalty in ppo.kl_penalties:
                spec = {
                    **prompting,
                    "curve": curve,
                    "seed": seed + k,
                    "kl_penalty": penalty,
                    "evaluation_prompts": study.best_of_n.prompts,
                    "show_prompts": list(study.show_prompts),
                    "ppo": ppo.run.model_dump(mode="json"),
                }
                parents = judged | {"value_model": models[ppo.value_model], "pool": pool, "corpus": corpus}
                title = f"PPO {label}" + (f", penalty {penalty}" if penalty else "")
                add(
                    "ppo",
                    title,
                    1,
                    curve_stages.ppo,
                    spec,
                    **parents,
                    policy=policy,
                    proxy=proxy,
                    best_of_n=bon,
                )
        if far and name in far.proxies and count == far.pairs and k < far.seeds:
            spec = {
                "curve": curve,
                "seed": seed,
                "samples": far.samples,
                "max_n": far.max_n,
                "exact": far.exact,
                "parts": len(far_parts),
            }
            parents = judged | {"pool": pool, "proxy": proxy, "best_of_n": bon} | far_parts
            add("far_best_of_n", f"far best-of-n {label}", 1, best_of_n_stages.far_best_of_n, spec, **parents)

    everything = {stage.title: stage for stage in made}
    add("tables", "tables", 1, results.gather, {"study": study.model_dump(mode="json")}, **everything)
    return Plan(study, tuple(made))
