"""Policies of other people's making: tiny models of several architectures, saved to disk and measured against base."""

import math

import numpy as np
import polars as pl
import pytest
import torch
from conftest import TEXTS
from tiny_models import CONFIGS, REWARD_CONFIGS
from transformers import AutoModelForSequenceClassification

from overopt.cli.judge import judge_command
from overopt.estimators.tables import fit_table
from overopt.models.log_probs import token_log_probs
from overopt.models.pretrained import RewardModel, encode, load_policy, read_prompts
from overopt.rewards.judge import measure
from overopt.util.errors import UserError

PROMPTS = ["The film", "It was", "A slow start and a"]


class LikesLetters:
    """A gold of one line: how many letters of the completion are an e."""

    def score(self, prompts, completions):
        return [float(text.count("e")) for text in completions]


@pytest.mark.parametrize("name", CONFIGS)
def test_every_architecture_is_measured(name, saved):
    base, tokenizer = load_policy(saved(name))
    others = {"same": lambda: base, "other": lambda: load_policy(saved(name, seed=1))[0]}
    table = measure(
        others, base, tokenizer, PROMPTS, {"gold": LikesLetters()}, samples=40, completion_tokens=6
    )
    assert table["policy"].to_list() == ["base", "same", "other"]
    start, same, other = table.rows(named=True)
    assert abs(start["gold"]) < 1e-9
    assert start["kl"] == pytest.approx(0, abs=1e-5)
    assert {**start, "policy": "same"} == pytest.approx(same)  # the same random numbers
    assert other["kl"] > 0.1
    # three estimators of one number
    assert other["kl_k1"] == pytest.approx(other["kl"], rel=0.35)
    assert other["kl_k3"] == pytest.approx(other["kl"], rel=0.6)
    assert (table["prompts"].unique().to_list(), table["samples"].unique().to_list()) == ([3], [40])


def test_one_prompt_has_no_standard_error(saved):
    base, tokenizer = load_policy(saved("llama"))
    table = measure(
        {}, base, tokenizer, PROMPTS[:1], {"gold": LikesLetters()}, samples=20, completion_tokens=6
    )
    assert table.select("kl_se", "gold_se").row(0) == (None, None)


def test_scores_are_in_standard_deviations_of_the_base_policy(saved):
    base, tokenizer = load_policy(saved("llama"))

    class Shifted(LikesLetters):
        def score(self, prompts, completions):
            return [7 + 100 * value for value in super().score(prompts, completions)]

    tables = [
        measure(
            {"other": lambda: load_policy(saved("llama", seed=1))[0]},
            base, tokenizer, PROMPTS, {"gold": gold, "proxy": LikesLetters()}, samples=20, completion_tokens=6,
        )
        for gold in (LikesLetters(), Shifted())
    ]  # fmt: skip
    assert tables[0]["gold"][1] == pytest.approx(tables[1]["gold"][1])
    assert tables[0]["gold"].to_list() == tables[0]["proxy"].to_list()


def test_the_batch_changes_no_result(saved):
    base, tokenizer = load_policy(saved("qwen"))
    rows = [
        measure(
            {},
            base,
            tokenizer,
            PROMPTS,
            {"gold": LikesLetters()},
            samples=5,
            completion_tokens=6,
            batch=batch,
        )
        for batch in (2, 64)
    ]
    assert rows[0].row(0) == pytest.approx(rows[1].row(0), abs=1e-5)


@pytest.mark.parametrize("name", REWARD_CONFIGS)
def test_a_reward_model_scores_whole_texts_one_by_one_or_together(name, saved, tokenizer):
    folder = saved(name, AutoModelForSequenceClassification, configs=REWARD_CONFIGS, num_labels=1)
    model = RewardModel(folder, batch=3)
    texts = [*TEXTS[:5], TEXTS[0] + tokenizer.eos_token]  # one ends in the token that often pads
    texts = [text[:60] for text in texts]
    together = model.score(["The film "] * len(texts), texts)
    alone = [model.score(["The film "], [text])[0] for text in texts]
    assert together == pytest.approx(alone, abs=1e-5)
    assert np.std(together) > 1e-4
    ids = torch.tensor([model.tokenizer("The film " + texts[0])["input_ids"]])
    direct = AutoModelForSequenceClassification.from_pretrained(folder)(input_ids=ids).logits
    assert together[0] == pytest.approx(direct.item(), abs=1e-5)


def test_a_reward_model_has_one_logit_and_cuts_nothing(saved):
    with pytest.raises(UserError, match="found 2 logits, expected a classifier of one"):
        RewardModel(saved("llama", AutoModelForSequenceClassification, num_labels=2))
    model = RewardModel(saved("neox", AutoModelForSequenceClassification, num_labels=1))
    with pytest.raises(UserError, match=r"text 2 for reward model .*: found \d+ tokens, expected at most 48"):
        model.score(["a", "a"], ["b", "the film " * 60])


def test_log_probabilities_agree_with_transformers(saved):
    model, tokenizer = load_policy(saved("llama"))
    prompts = encode(PROMPTS, tokenizer, most=40)
    from overopt.models.sampling import sample_many

    drawn = sample_many(model, prompts, 2, 6, generator=torch.Generator().manual_seed(0))
    ours = token_log_probs(model, drawn)
    for k in range(len(drawn)):
        prompt = drawn.prompts.ids[k][drawn.prompts.mask[k]]
        answer = drawn.ids[k][drawn.mask[k]]
        with torch.no_grad():
            logits = model(torch.cat([prompt, answer])[None]).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        expected = logits.gather(-1, answer[:, None])[:, 0]
        torch.testing.assert_close(ours[k][drawn.mask[k]].detach(), expected, atol=1e-4, rtol=0)


TEMPLATE = (
    "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


def test_prompts_are_formatted_as_the_template_says(tokenizer):
    tokenizer.chat_template = TEMPLATE
    try:
        rows = encode(["The film"], tokenizer, most=40, chat=True)
        assert tokenizer.decode(rows.ids[0]).strip() == "[user]The film[assistant]"
    finally:
        tokenizer.chat_template = None
    with pytest.raises(UserError, match="chat: found a tokenizer without a chat template"):
        encode(["The film"], tokenizer, most=40, chat=True)
    with pytest.raises(UserError, match=r"prompt 2: found \d+ tokens, expected 1 to 4"):
        encode(["It", "The film was long and slow"], tokenizer, most=4)


def test_bad_models_and_scorers_are_named(saved, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "huggingface_hub.constants.HF_HUB_OFFLINE", True
    )  # without a network a hub is asked for long
    with pytest.raises(UserError, match="model nowhere/there: expected a causal language model"):
        load_policy("nowhere/there")
    base, tokenizer = load_policy(saved("llama"))

    class Broken(LikesLetters):
        def score(self, prompts, completions):
            return [math.nan] * len(completions)

    class Flat(LikesLetters):
        def score(self, prompts, completions):
            return [1.0] * len(completions)

    sizes = {"samples": 2, "completion_tokens": 4}
    with pytest.raises(UserError, match=r"gold: found scores of shape .* 6 of them no numbers"):
        measure({}, base, tokenizer, PROMPTS, {"gold": Broken()}, **sizes)
    with pytest.raises(UserError, match="gold: found one score for all 6 samples"):
        measure({}, base, tokenizer, PROMPTS, {"gold": Flat()}, **sizes)
    with pytest.raises(UserError, match="scorers: found none, expected gold"):
        measure({}, base, tokenizer, PROMPTS, {}, **sizes)


@pytest.mark.parametrize(
    ("name", "text"),
    [("p.txt", "The film\n\nIt was\n"), ("p.jsonl", '{"prompt": "The film"}\n{"prompt": "It was"}\n')],
)
def test_prompts_are_read(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert read_prompts(tmp_path / name) == ["The film", "It was"]
    pl.DataFrame({"prompt": ["The film", "It was"]}).write_parquet(tmp_path / "p.parquet")
    assert read_prompts(tmp_path / "p.parquet") == ["The film", "It was"]


def test_bad_prompts_are_named(tmp_path):
    with pytest.raises(UserError, match="found no file"):
        read_prompts(tmp_path / "p.txt")
    (tmp_path / "p.txt").write_text("\n")
    with pytest.raises(UserError, match="found no prompt"):
        read_prompts(tmp_path / "p.txt")
    (tmp_path / "p.jsonl").write_text('{"prompt": "a"}\n{"prompt": " "}\n')
    with pytest.raises(UserError, match="found no text in row 2"):
        read_prompts(tmp_path / "p.jsonl")
    (tmp_path / "p.jsonl").write_text('{"text": "a"}\n')
    with pytest.raises(UserError, match="expected a field 'prompt' in every row"):
        read_prompts(tmp_path / "p.jsonl")


def test_the_command_writes_what_fit_reads(saved, tmp_path, capsys):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("\n".join(PROMPTS))
    gold = saved("gpt2", AutoModelForSequenceClassification, num_labels=1)
    policies = [saved("llama", seed=seed) for seed in (1, 2, 3, 4)]
    out = tmp_path / "curves.csv"
    judge_command(
        policies, base=saved("llama"), gold=gold, prompts=prompts, out=out, proxy=gold,
        samples=4, tokens=6, chat=False, seed=0, device="cpu", batch=64,
    )  # fmt: skip
    table = pl.read_csv(out)
    assert table["policy"].to_list()[1:] == policies
    assert "5 policies, the base one first, on 3 prompts x 4 samples" in capsys.readouterr().out
    assert fit_table(out, "rl")[0]["n_points"] == 4
