"""Policies of other people's making: tiny models of several architectures, saved to disk and measured against base."""

import math

import polars as pl
import pytest
import torch
from tiny_models import CONFIGS
from transformers import AutoModelForSequenceClassification

from overopt.cli.judge import HowRead, judge_command
from overopt.estimators.tables import fit_table
from overopt.models.log_probs import token_log_probs
from overopt.models.pretrained import encode, load_policy, read_prompts
from overopt.models.text_reward import RewardModel
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


class Reads(LikesLetters):
    """A gold that is told which completions ended, and keeps what it was told."""

    def __init__(self):
        self.told = []

    def score_written(self, written):
        self.told.append(written)
        return [float(len(text)) for text in written.completions]

    def example(self, written):
        return f"reads {len(written)} texts"


def test_a_gold_is_told_which_completions_the_policy_ended(saved):
    base, tokenizer = load_policy(saved("llama"))
    with torch.no_grad():
        base.lm_head.weight.mul_(10)  # surer of its next token
        first = base(torch.tensor([tokenizer(PROMPTS[0])["input_ids"]])).logits[0, -1].softmax(-1)
    # what the policy most likely says next shall be its end
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(int(first.argmax()))
    gold, lines = Reads(), []
    others = {"same": lambda: base}
    sizes = {"samples": 40, "completion_tokens": 1}
    measure(others, base, tokenizer, PROMPTS[:1], {"gold": gold}, **sizes, show=lines.append)
    written = gold.told[0]
    assert 0 < sum(written.ended) < 40
    # an end is no text, and whatever else is one token long was cut
    assert [text == "" for text in written.completions] == written.ended
    assert written.prompts == PROMPTS[:1] * 40
    assert lines == ["gold: reads 40 texts"]  # once, of the base policy


def test_turns_of_a_chat_are_not_glued_to_their_answers(saved):
    base, tokenizer = load_policy(saved("llama"))
    tokenizer.chat_template = TEMPLATE
    gold = RewardModel(saved("gpt2", AutoModelForSequenceClassification, num_labels=1), ends="nothing")
    options = {"samples": 2, "completion_tokens": 4}
    with pytest.raises(
        UserError, match="reads prompt and completion as one text, and prompts that are turns"
    ):
        measure({}, base, tokenizer, PROMPTS, {"gold": gold}, **options, chat=True)
    assert measure({}, base, tokenizer, PROMPTS, {"gold": LikesLetters()}, **options, chat=True).height == 1


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
        gold_read=HowRead(ends="eos"), proxy_read=HowRead(ends="nothing"),
    )  # fmt: skip
    table = pl.read_csv(out)
    assert table["policy"].to_list()[1:] == policies
    said = capsys.readouterr().out
    assert "5 policies, the base one first, on 3 prompts x 4 samples" in said
    examples = [line for line in said.splitlines() if line.startswith(("gold: ", "proxy: "))]
    assert [line.split(":")[0] for line in examples] == ["gold", "proxy"]  # one a model, before it scores
    assert all("reads a text, its end as told; finished: " in line for line in examples)
    assert [line.count("<eos>") for line in examples] == [1, 0]
    assert fit_table(out, "rl")[0]["n_points"] == 4
