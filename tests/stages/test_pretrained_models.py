"""A study of other people's models, from their folders to its tables: tiny ones, of several architectures."""

import json
from pathlib import Path

import polars as pl
import pytest
import torch
from conftest import TEXTS
from edited_models import edit_json
from pretrained_fixtures import PROMPTS, TEMPLATE, computed, one_proxy, ppo_of, published, study_fields  # noqa: F401
from pydantic import ValidationError
from tiny_models import CONFIGS
from transformers import AutoTokenizer

from overopt.analysis.claims import verdicts
from overopt.analysis.evidence import Evidence
from overopt.engine.store import Store
from overopt.models.build import load_language_model, load_tokenizer
from overopt.models.pretrained import encode, load_policy
from overopt.optimisers.rloo import as_samples
from overopt.plan.study_plan import plan
from overopt.rewards.gold import load_gold
from overopt.stages.pretrained_models import first_layers, untrained
from overopt.study.study import parse_study
from overopt.util.download import sha256_of
from overopt.util.errors import UserError


@pytest.mark.parametrize(
    ("name", "judge", "chat"),
    [("llama", "bert", True), ("neox", "neox", False), ("qwen", "bert", False), ("gpt2", "llama", False)],
)
def test_from_folders_to_tables(name, judge, chat, fields, runtime):
    spec = parse_study(fields(name, judge, chat))
    found = computed(spec, runtime)
    assert found.curves.filter(method="bon", rm_params=0).height == 4  # gold itself
    curves = found.curves.filter(method="bon", pairs=48)
    sizes = sorted(model.parameters for model in spec.models.values())
    heads = [params - size for params, size in zip(sorted(curves["rm_params"].unique()), sizes, strict=True)]
    assert set(heads) <= {8, 16}
    assert curves["policy_params"].unique().to_list() == [spec.models["base"].parameters]
    # the base policy is the zero of gold, and no proxy moves it
    assert curves.filter(n=1)["gold"].to_list() == pytest.approx([0.0] * 3, abs=1e-5)
    assert found.texts["prompt_text"].unique().to_list() == ["The film was"]
    assert found.chain["gold"]["params"] == spec.gold.parameters
    assert len(verdicts.judge(Evidence(found))) == len(verdicts.CLAIMS)


def gold_of(spec, runtime):
    """The gold of a study, and nothing else of it."""
    store = Store(runtime.store)
    for stage in plan(spec).stages:
        store.compute(stage, runtime)
        if stage.name == "named_gold":
            tokenizer = load_tokenizer(store.path(stage.parents["tokenizer"]))
            return load_gold(store.path(stage), tokenizer, "cpu")
    raise AssertionError


def test_gold_by_name_reads_as_it_was_trained_to(fields, runtime):
    made = fields()
    with pytest.raises(
        UserError, match=r"found no record of how the texts .* a study's field `ends`: eos or nothing"
    ):
        gold_of(parse_study(made | {"gold": made["gold"] | {"ends": "auto"}}), runtime)
    readings = [
        gold_of(parse_study(made | {"gold": made["gold"] | {"ends": "nothing"}}), runtime).scorer.reading
    ]
    card = "---\ntags: [trl, reward-trainer]\n---\n- TRL: 1.16.0\n"
    (Path(made["gold"]["path"]) / "README.md").write_text(card)
    readings.append(
        gold_of(parse_study(made | {"gold": made["gold"] | {"ends": "auto"}}), runtime).scorer.reading
    )
    assert [(reading.reads, reading.appended) for reading in readings] == [("text", ""), ("text", "<eos>")]
    with pytest.raises(ValidationError, match="found chat and pair, expected one of them"):
        parse_study(made | {"gold": made["gold"] | {"chat": True, "pair": True}})


def test_ppo_of_other_peoples_models(fields, runtime):
    spec = parse_study(fields(ppo=ppo_of(), proxies=one_proxy()))
    curve = computed(spec, runtime).curves.filter(method="ppo").sort("step")
    assert curve["kl"][0] == pytest.approx(0, abs=1e-5)
    assert curve["kl"][-1] > 0.05


@pytest.mark.parametrize("lora", [None, {"rank": 2, "alpha": 8}])
def test_rloo_on_the_same_axes(fields, runtime, lora):
    run = {"batch": 16, "completions": 4, "learning_rate": 1e-2, "prompts": 5, "max_steps": 4, "max_kl": 50}
    run |= {"look_every": 2, "evaluation_samples": 2}
    grid = {"models": ["cut"], "pairs": [48], "seeds": 1}
    spec = parse_study(fields(rloo={"grid": grid, "run": run}, policy_lora=lora, proxies=one_proxy()))
    found = computed(spec, runtime)
    curve = found.curves.filter(method="rloo").sort("step")
    assert curve["step"].to_list() == [0, 2, 4]
    assert curve["kl"][0] == pytest.approx(0, abs=1e-5)
    assert curve["kl"][-1] > 0.01
    assert curve["proxy"][-1] > curve["proxy"][0] - 1
    assert {"bon", "rloo"} <= set(found.curves["method"])


def test_token_lists_become_samples_with_their_end(saved):
    policy, tokenizer = load_policy(saved("llama"))
    prompts = encode(["The film", "It was"], tokenizer, most=20)
    made = as_samples(prompts, [[5, 6, tokenizer.eos_token_id], [7, 8, 9, 10]], 4, policy)
    assert made.lengths.tolist() == [3, 4]
    assert made.ids[0, :3].tolist() == [5, 6, tokenizer.eos_token_id]


def test_models_that_only_read_may_be_in_bfloat16(fields, runtime):
    found = {}
    for frozen in ("float32", "bfloat16"):
        spec = parse_study(fields(frozen=frozen, ppo=ppo_of(), proxies=one_proxy()))
        found[frozen] = computed(spec, runtime).curves
    bon = [found[kind].filter(method="bon", rm_params=0).sort("n")["gold"].to_list() for kind in found]
    assert bon[0] != bon[1]
    assert bon[0] == pytest.approx(bon[1], abs=0.1)
    ppo = found["bfloat16"].filter(method="ppo").sort("step")
    assert ppo["kl"][0] < 0.01  # the policy in float32 from its reference in bfloat16
    assert ppo["kl"][-1] > 0.05


def test_with_trl_and_adapters_everywhere(fields, runtime, tmp_path):
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(TEXTS))
    made = fields()
    tuned = {"sft": "base", "texts": {"path": str(texts), "sha256": sha256_of(texts)}, "tokens": 60}
    tuned |= {"steps": 3, "batch": 4, "learning_rate": 1e-2, "lora": {"rank": 2, "alpha": 4}}
    tuned["parameters"] = made["models"]["base"]["parameters"]
    lora = {"rank": 2, "alpha": 8}
    options = {
        "trl": True,
        "proxy_lora": lora,
        "policy_lora": lora,
        "policy": "tuned",
        "ppo": ppo_of("tuned"),
        "proxies": one_proxy(),
    }
    spec = parse_study(made | options | {"models": made["models"] | {"tuned": tuned}})
    curve = computed(spec, runtime).curves.filter(method="ppo").sort("step")
    assert curve["kl"][0] == pytest.approx(0, abs=1e-5)
    assert curve["kl"][-1] > 0.01
    stages = {stage.title: stage for stage in plan(spec).stages}
    store = Store(runtime.store)
    # what comes out are whole models that load anywhere
    for title in ("language model tuned", "PPO cut, 48 pairs, seed 0"):
        before = load_language_model(store.path(stages["language model base"]) / "model").state_dict()
        after = load_language_model(store.path(stages[title]) / "model").state_dict()
        assert set(after) == set(before)
        assert any(not torch.equal(after[name], before[name]) for name in before)


def test_gold_from_human_ratings_on_a_pretrained_body(fields, runtime):
    gold = {"model": "base", "train_layers": 1, "steps": 3, "batch": 8, "learning_rate": 1e-3}
    spec = parse_study(
        fields(text={"prompt_tokens": 60, "completion_tokens": 6}, gold=gold, proxies=one_proxy())
    )
    found = computed(spec, runtime)
    assert {"pearson", "pearson_baseline", "params"} <= set(found.chain["gold"])
    stages = {stage.title: stage for stage in plan(spec).stages}
    made, before = (
        load_language_model(Store(runtime.store).path(stages[title]) / "model").base_model.state_dict()
        for title in ("gold reward model", "language model base")
    )
    moved = {name for name in before if not torch.equal(made[name], before[name])}
    assert moved
    assert not any(name.startswith(("layers.0.", "embed_tokens")) for name in moved)


def test_prompts_of_a_dataset_are_split_by_use_and_none_serves_two(fields, runtime, tmp_path):
    folder = tmp_path / "dataset"
    folder.mkdir()
    rows = [{"question": prompt, "other": k} for k, prompt in enumerate([*PROMPTS, PROMPTS[0].upper()])]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    spec = parse_study(fields(prompts={"dataset": str(folder), "column": "question"}))
    stages = {stage.title: stage for stage in plan(spec).stages}
    store = Store(runtime.store)
    for title in ("language model base", "tokenizer"):
        store.compute(stages[title], runtime)
    table = pl.read_parquet(store.compute(stages["prompts"], runtime) / "prompts.parquet")
    counts = dict(table.group_by("use").len().iter_rows())
    assert counts["show"] == 1
    assert counts["evaluation"] + counts["policy"] + counts["pairs"] == len(
        PROMPTS
    )  # the same in capitals is the same
    assert counts["pairs"] > counts["policy"] > counts["evaluation"] > 0
    drawn = table.filter(pl.col("use") != "show")["prompt"].to_list()
    assert sorted(drawn) == sorted(PROMPTS)
    assert drawn != PROMPTS
    missing = parse_study(fields(prompts={"dataset": str(folder), "column": "prompt"}))
    with pytest.raises(UserError, match="found columns question, other, expected 'prompt'"):
        store.compute({stage.title: stage for stage in plan(missing).stages}["prompts"], runtime)


def test_what_a_model_is_asked_is_written_down(saved):
    """Golden texts: of a plain prompt, and of a user's turn in the template of the model."""
    _, tokenizer = load_policy(saved("llama"))
    plain = encode(["The film was"], tokenizer, most=40)
    assert tokenizer.decode(plain.ids[0]) == " The film was"
    tokenizer.chat_template = TEMPLATE
    turn = encode(["The film was"], tokenizer, most=60, chat=True)
    assert tokenizer.decode(turn.ids[0]) == " <user> The film was <assistant> "
    both = encode(["The film was", "It"], tokenizer, most=60, chat=True)
    assert tokenizer.decode(both.ids[1][both.mask[1]]) == " <user> It <assistant> "
    with pytest.raises(UserError, match=r"prompt 1: found \d+ tokens, expected 1 to 3"):
        encode(["The film was"], tokenizer, most=3)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_cut_model_is_the_lower_part_of_the_whole(name, saved):
    source = load_language_model(Path(saved(name, num_hidden_layers=3)))
    cut = first_layers(source, 2)
    ids = torch.tensor([[3, 4, 5, 6]])
    whole = source.base_model(ids, output_hidden_states=True).hidden_states
    lower = cut.base_model(ids, output_hidden_states=True).hidden_states
    assert torch.equal(lower[1], whole[1])
    assert torch.equal(cut.get_output_embeddings().weight, source.get_output_embeddings().weight)
    with pytest.raises(UserError, match="found 3, expected fewer than the model's 3"):
        first_layers(source, 3)


@pytest.mark.parametrize("name", CONFIGS)
def test_an_untrained_model_keeps_the_architecture_and_vocabulary(name, saved):
    source = load_language_model(Path(saved(name)))
    made, again, other = (untrained(source, 2, 8, 2, seed) for seed in (0, 0, 1))
    assert type(made) is type(source)
    assert (made.config.vocab_size, made.config.hidden_size, made.config.num_hidden_layers) == (
        source.config.vocab_size,
        8,
        2,
    )
    weights = [torch.cat([w.flatten() for w in model.parameters()]) for model in (made, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_model_that_reads_other_tokens_is_refused(fields, runtime, saved):
    made = fields()
    other = saved("neox", seed=5)
    words = AutoTokenizer.from_pretrained(other)
    words.add_tokens(["film"])
    words.save_pretrained(other)
    more = published(other, load_language_model(Path(other))) | {"vocabulary": 300}
    spec = parse_study(made | {"models": made["models"] | {"other": more}})
    with pytest.raises(
        UserError, match="model other: found other tokens than the policy's, expected the same"
    ):
        computed(spec, runtime)


def test_rows_that_no_token_has_are_cut_and_the_study_still_knows_what_was_published(fields, runtime):
    made = fields()
    base = made["models"]["base"]["path"]
    whole = load_language_model(Path(base))
    count = whole.config.vocab_size
    whole.resize_token_embeddings(count + 8)
    whole.save_pretrained(base)
    wrong = parse_study(
        made | {"models": made["models"] | {"base": published(base, whole) | {"vocabulary": count}}}
    )
    right = parse_study(
        made | {"models": made["models"] | {"base": published(base, whole) | {"vocabulary": count + 8}}}
    )
    store, title = Store(runtime.store), "language model base"
    with pytest.raises(UserError, match=f"vocabulary: found {count + 8}, expected the study's {count}"):
        store.compute({stage.title: stage for stage in plan(wrong).stages}[title], runtime)
    kept = load_language_model(
        store.compute({stage.title: stage for stage in plan(right).stages}[title], runtime) / "model"
    )
    assert kept.config.vocab_size == count
    ids = torch.tensor([[5, 6, 7]])
    shares = whole(ids).logits[0, -1].softmax(-1)[:count]
    torch.testing.assert_close(kept(ids).logits[0, -1].softmax(-1), shares / shares.sum())


def test_a_study_has_one_end_of_completions(fields, runtime):
    made = fields()
    edit_json(made["models"]["base"]["path"], "generation_config.json", eos_token_id=[2, 1])
    stages = {stage.title: stage for stage in plan(parse_study(made)).stages}
    with pytest.raises(UserError, match="found 2 tokens that end a completion, expected one in a study"):
        Store(runtime.store).compute(stages["language model base"], runtime)


def test_what_does_not_verify_is_refused(fields, runtime):
    good = fields()
    base, gold = good["models"]["base"], good["gold"]
    wrong = "0" * 64
    cases = {
        "found weights of SHA-256": good | {"models": good["models"] | {"base": base | {"sha256": wrong}}},
        r"parameters: found \d+, expected the study's 7": good
        | {"models": good["models"] | {"base": base | {"parameters": 7}}},
        r"parameters: found \d+, expected the study's 8": good | {"gold": gold | {"parameters": 8}},
        "prompts.jsonl: found SHA-256": good | {"prompts": good["prompts"] | {"sha256": wrong}},
        "expected 1 to 4": good | {"text": good["text"] | {"prompt_tokens": 4}},
        "prompts of split 'evaluation': found": good | {"best_of_n": good["best_of_n"] | {"prompts": 99}},
    }
    for sentence, changed in cases.items():
        with pytest.raises(UserError, match=sentence):
            computed(parse_study(changed), runtime)
