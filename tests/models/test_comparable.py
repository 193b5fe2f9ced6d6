"""A policy is compared with its base only where both read and write the same tokens, and end where the base ends."""

from pathlib import Path

import pytest
from edited_models import edit_json
from tokenizers.processors import TemplateProcessing
from transformers import AutoModelForCausalLM, AutoTokenizer

from overopt.models.build import train_tokenizer
from overopt.models.comparable import comparable
from overopt.models.pretrained import load_policy
from overopt.rewards.judge import measure
from overopt.util.errors import UserError

PROMPTS = ["The film", "It was a slow"]
SIZES = {"samples": 20, "completion_tokens": 6}
OTHER_TEXTS = [
    "Sing, goddess, the anger of Achilles.",
    "Many a soul it sent down to Hades.",
    "A slow end, a slow start.",
]


class LikesLetters:
    """How many letters of a completion are an e; it keeps what it was shown."""

    def __init__(self):
        self.seen = []

    def score(self, prompts, completions):
        self.seen += completions
        return [float(text.count("e")) for text in completions]


def measured(base, *others, **more):
    """The table of policies by folder, and the gold that judged them."""
    loaded, tokenizer = load_policy(base)
    policies = {f"p{k}": lambda folder=folder: load_policy(folder) for k, folder in enumerate(others)}
    gold = LikesLetters()
    return measure(policies, loaded, tokenizer, PROMPTS, {"gold": gold}, **SIZES, **more), gold


def with_tokenizer(folder, change):
    """Save the tokenizer of a folder again, after `change`."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    change(tokenizer)
    tokenizer.save_pretrained(folder)
    return folder


def test_vocabularies_are_compared_and_not_their_sizes(saved):
    base, policy = saved("llama"), saved("llama", seed=1)
    assert measured(base, policy)[0].height == 2
    other = train_tokenizer(OTHER_TEXTS, 300)
    own = AutoTokenizer.from_pretrained(base)
    assert len(other) == len(own)
    other.save_pretrained(policy)
    with pytest.raises(
        UserError, match=r"policy p0: found another vocabulary than the base policy's, .* and \d+ more"
    ):
        measured(base, policy)


def test_two_tokens_in_each_others_place_are_seen(saved):
    base, policy = saved("llama"), saved("llama", seed=1)
    path = Path(policy, "tokenizer.json")
    text = path.read_text()
    own = AutoTokenizer.from_pretrained(base)
    first, second = own.convert_ids_to_tokens([40, 41])
    path.write_text(
        text.replace(f'"{first}": 40', f'"{first}": 41').replace(f'"{second}": 41', f'"{second}": 40')
    )
    assert AutoTokenizer.from_pretrained(policy).convert_tokens_to_ids(first) == 41
    with pytest.raises(UserError, match=r"tokens that differ: '.', '.'$"):
        measured(base, policy)


def test_a_policy_that_is_padded_is_measured_as_it_would_be_without(saved):
    base, policy = saved("llama"), saved("llama", seed=1)
    expected = measured(base, policy)[0]
    model = AutoModelForCausalLM.from_pretrained(policy, use_safetensors=True)
    model.resize_token_embeddings(304)
    model.save_pretrained(policy)
    assert measured(base, policy)[0].equals(expected)
    tokenizer = AutoTokenizer.from_pretrained(policy)
    with pytest.raises(UserError, match="policy mine: found 304 embedding rows, expected at most 300"):
        comparable("mine", model, load_policy(base)[0], tokenizer, PROMPTS, chat=False)


def test_prompts_are_read_alike_or_refused(saved):
    base, policy = saved("llama"), saved("llama", seed=1)

    def start(tokenizer):
        marks = [("<bos>", tokenizer.bos_token_id)]
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single="<bos> $A", special_tokens=marks
        )

    with_tokenizer(policy, start)
    with pytest.raises(
        UserError, match=r"policy p0: found prompt 1 read as '<bos> ?The film' \(\d tokens\), expected"
    ):
        measured(base, policy)
    with_tokenizer(base, start)
    assert measured(base, policy)[0]["kl"][1] > 0


def test_chats_are_read_alike_or_refused(saved):
    base, policy, silent = (saved("llama", seed=seed) for seed in range(3))
    with_tokenizer(base, lambda tokenizer: setattr(tokenizer, "chat_template", "<{{ messages[0].content }}>"))
    with_tokenizer(
        policy, lambda tokenizer: setattr(tokenizer, "chat_template", "[{{ messages[0].content }}]")
    )
    assert measured(base, silent, chat=True)[0].height == 2  # without a template of its own it has no say
    with pytest.raises(
        UserError, match=r"policy p0: found prompt 1 read as ' ?\[The film\]' .*' ?<The film>'"
    ):
        measured(base, policy, chat=True)
    assert measured(base, policy)[0].height == 2


def test_ends_are_those_of_the_base_policy(saved):
    """The end of a turn, which is likely here, ends completions of all, and no text holds it or what would follow it."""
    base, policy = saved("llama"), saved("llama", seed=1)
    alone = measured(base, policy)[0]
    for folder in (base, policy):
        with_tokenizer(folder, lambda tokenizer: tokenizer.add_tokens(["<turn>"], special_tokens=True))
        model = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True)
        model.resize_token_embeddings(301)
        likely = model.get_output_embeddings().weight
        likely.data[300] = 1.2 * likely.data[37]
        model.save_pretrained(folder)
    ends = [300, 2]
    edit_json(policy, "generation_config.json", eos_token_id=ends)
    with pytest.raises(
        UserError, match="policy p0: found completions that end with '<turn>', expected only ends of"
    ):
        measured(base, policy)
    edit_json(base, "generation_config.json", eos_token_id=ends)
    table, gold = measured(base, policy)
    assert table["length"][0] < alone["length"][0]
    assert not any("<turn>" in text for text in gold.seen)
    edit_json(policy, "generation_config.json", eos_token_id=2)  # the base policy's ends are those of all
    assert measured(base, policy)[0].equals(table)


def test_a_prompt_with_a_token_that_has_no_row_is_refused(saved):
    base = with_tokenizer(saved("llama"), lambda tokenizer: tokenizer.add_tokens(["<image>"]))
    assert measured(base)[0].height == 1  # no prompt holds it
    loaded, tokenizer = load_policy(base)
    with pytest.raises(
        UserError, match="policy base: found '<image>' in a prompt, a token without an embedding"
    ):
        comparable("base", loaded, loaded, tokenizer, ["The <image>"], chat=False)
