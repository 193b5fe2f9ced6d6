"""The part of a plan that studies of the world `pretrained` start with: prompts, models of other people, gold."""

from typing import Any

from overopt.engine.stage import Stage
from overopt.plan.registry import Graph
from overopt.plan.world import World
from overopt.study.pretrained_parts import Cut, Loaded, RatedGold, Scratch, Tuned
from overopt.study.study import PretrainedStudy


def add_pretrained(graph: Graph, study: PretrainedStudy) -> World:
    """Every model, from its source, from layers of another, tuned or from nothing; the policy's tokenizer; prompts; gold."""
    models: dict[str, Stage] = {}
    # those that others are made of come first
    for name, model in sorted(study.models.items(), key=lambda item: not isinstance(item[1], Loaded)):
        spec = model.model_dump(mode="json")
        title = f"language model {name}"
        match model:
            case Loaded():
                models[name] = graph.add("loaded_model", title, spec)
            case Cut():
                source = models[spec.pop("cut")]
                models[name] = graph.add("cut_model", title, spec, source=source)
            case Scratch():
                source = models[spec.pop("scratch")]
                spec["seed"] = study.seed
                models[name] = graph.add("scratch_model", title, spec, source=source)
            case Tuned():
                source = models[spec.pop("sft")]
                spec["seed"] = study.seed
                models[name] = graph.add("tuned_model", title, spec, source=source)
    others = {
        f"model {name}": models[name] for name, model in study.models.items() if isinstance(model, Loaded)
    }
    tokenizer = graph.add("policy_tokenizer", "tokenizer", {}, policy=models[study.policy], **others)
    wrapping: dict[str, Any] = {"prompt_tokens": study.text.prompt_tokens, "chat": study.text.chat}
    drawing = {"sampler": study.sampler} if study.sampler != "transformers" else {}
    asking = wrapping | {
        "seed": study.seed,
        "source": study.prompts.model_dump(mode="json"),
        "show": list(study.show_prompts),
    }
    prompts = graph.add("prompts", "prompts", asking, tokenizer=tokenizer)
    reading = {"frozen": study.frozen} if study.frozen != "float32" else {}
    prompting = wrapping | reading | {"completion_tokens": study.text.completion_tokens}
    gold = study.gold
    if isinstance(gold, RatedGold):
        spec = gold.model_dump(mode="json", exclude={"model"}) | {"seed": study.seed}
        parents = {"language_model": models[gold.model], "tokenizer": tokenizer}
        made = graph.add("rated_gold", "gold reward model", spec, **parents)
    else:
        parents = {"prompts": prompts, "tokenizer": tokenizer}
        spec = gold.model_dump(mode="json") | {"asked_in_chat": study.text.chat}
        made = graph.add("named_gold", "gold reward model", spec, **parents)
    return World(prompts, tokenizer, models, {"gold": made}, prompting, wrapping, drawing, reading)
