"""A study as a graph of stages, in an order in which each follows its parents."""

from dataclasses import dataclass
from typing import Any

from overopt import curve_stages, gold, results, stages
from overopt.store import Stage
from overopt.study import Study


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
    encoding = {"vocabulary": text.vocabulary, "sentence_tokens": text.sentence_tokens, "seed": seed}
    tokenizer = add("tokenizer", "tokenizer", 1, stages.tokenizer, encoding, corpus=corpus)
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
            2,
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
        2,
        gold.gold,
        gold_spec | {"training": fluency_training},
        **world,
        **ratings,
        language_model=models[study.gold.fluency.model],
        **decoys,
    )

    judged = world | {"policy": policy, "gold": gold_model}
    pairs = add(
        "pairs",
        "labelled pairs",
        1,
        stages.pairs,
        {**prompting, "seed": seed, "count": study.pairs.count},
        **judged,
    )
    pool = add(
        "pool",
        "pool",
        1,
        stages.pool,
        {
            **prompting,
            "seed": seed,
            "prompts": study.best_of_n.prompts,
            "samples": study.best_of_n.samples,
            "show_prompts": list(study.show_prompts),
        },
        **judged,
    )
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
            curve_stages.best_of_n,
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
                parents = judged | {"value_model": models[ppo.value_model], "pool": pool}
                title = f"PPO {label}" + (f", penalty {penalty}" if penalty else "")
                add("ppo", title, 1, curve_stages.ppo, spec, **parents, proxy=proxy, best_of_n=bon)

    everything = {stage.title: stage for stage in made}
    add("tables", "tables", 1, results.gather, {"study": study.model_dump(mode="json")}, **everything)
    return Plan(study, tuple(made))
