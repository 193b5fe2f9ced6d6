"""The part of a plan that studies of the world `pretrained` start with: prompts, models of other people, gold."""

from overopt.engine.stage import Stage
from overopt.plan import stage_specs as specs
from overopt.plan.registry import Graph
from overopt.plan.world import World
from overopt.study.pretrained_parts import Cut, Loaded, RatedGold, Scratch, Tuned
from overopt.study.study import PretrainedStudy


def add_pretrained(graph: Graph, study: PretrainedStudy) -> World:
    """Every model, from its source, from layers of another, tuned or from nothing; the policy's tokenizer; prompts; gold."""
    models: dict[str, Stage] = {}
    # those that others are made of come first
    for name, model in sorted(study.models.items(), key=lambda item: not isinstance(item[1], Loaded)):
        title = f"language model {name}"
        match model:
            case Loaded():
                models[name] = graph.add("loaded_model", title, model)
            case Cut():
                cut = specs.CutSpec(**model.model_dump(exclude={"cut"}))
                models[name] = graph.add("cut_model", title, cut, source=models[model.cut])
            case Scratch():
                fresh = specs.ScratchSpec(**model.model_dump(exclude={"scratch"}), seed=study.seed)
                models[name] = graph.add("scratch_model", title, fresh, source=models[model.scratch])
            case Tuned():
                tuned = specs.TunedSpec(**model.model_dump(exclude={"sft"}), seed=study.seed)
                models[name] = graph.add("tuned_model", title, tuned, source=models[model.sft])
    others = {
        f"model {name}": models[name] for name, model in study.models.items() if isinstance(model, Loaded)
    }
    tokenizer = graph.add(
        "policy_tokenizer", "tokenizer", specs.Nothing(), policy=models[study.policy], **others
    )
    text = study.text
    asking = specs.PromptsSpec(
        prompt_tokens=text.prompt_tokens,
        chat=text.chat,
        seed=study.seed,
        source=study.prompts,
        show=study.show_prompts,
    )
    prompts = graph.add("prompts", "prompts", asking, tokenizer=tokenizer)
    gold = study.gold
    if isinstance(gold, RatedGold):
        rated = specs.RatedGoldSpec(**gold.model_dump(exclude={"model"}), seed=study.seed)
        parents = {"language_model": models[gold.model], "tokenizer": tokenizer}
        made = graph.add("rated_gold", "gold reward model", rated, **parents)
    else:
        parents = {"prompts": prompts, "tokenizer": tokenizer}
        named = specs.NamedGoldSpec(**gold.model_dump(), asked_in_chat=text.chat)
        made = graph.add("named_gold", "gold reward model", named, **parents)
    prompting = specs.Prompting(
        prompt_tokens=text.prompt_tokens,
        chat=text.chat,
        completion_tokens=text.completion_tokens,
        frozen=study.frozen,
    )
    return World(prompts, tokenizer, models, models, {"gold": made}, prompting, study.sampler)
