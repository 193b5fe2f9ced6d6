"""What a policy wrote comes back character by character, with tokenizers of every family."""

import pytest
import torch
from tokenizer_families import FAMILIES, fast, metaspace, wordpiece

from overopt.models.pretrained import encode
from overopt.models.samples import Samples, pad_rows
from overopt.models.written import written
from overopt.rewards.gold import TextGold
from overopt.util.errors import UserError

# spaces that a tokenizer that tidies takes away
COMPLETIONS = [" is great , it is .", " is not like it !", " 's"]
SPLIT = {"WordPiece": " ' s"}  # it takes marks for words


def samples_of(tokenizer, prompts, completions, ended=True):
    """The samples that a policy would have drawn, had it written these texts: as tokenized behind their prompts."""
    heads = encode(prompts, tokenizer, most=60)
    rows = []
    for prompt, completion in zip(prompts, completions, strict=True):
        head, whole = (list(tokenizer(text)["input_ids"]) for text in (prompt, prompt + completion))
        assert whole[: len(head)] == head
        rows.append(whole[len(head) :] + [tokenizer.eos_token_id] * ended)
    ids = pad_rows([row or [0] for row in rows], tokenizer.pad_token_id, left=False)
    lengths = torch.tensor(list(map(len, rows)))
    return Samples(heads, ids, torch.arange(ids.shape[1]) < lengths[:, None])


@pytest.mark.parametrize("tidies", [True, False])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_completion_is_what_stands_behind_its_prompt(name, tidies):
    tokenizer = fast(FAMILIES[name](), clean_up_tokenization_spaces=tidies)
    prompts, completions = ["The film"] * 3, [*COMPLETIONS[:2], SPLIT.get(name, COMPLETIONS[2])]
    found = written(samples_of(tokenizer, prompts, COMPLETIONS), prompts, tokenizer)
    assert found.completions == completions
    assert found.prompts == prompts  # as they were asked, capitals and all
    assert found.ended == [True] * 3


@pytest.mark.parametrize("name", FAMILIES)
def test_prompts_of_several_lengths_and_words_that_go_on(name):
    tokenizer = fast(FAMILIES[name]())
    prompts = ["The film is", "It", "They 've seen it"]
    completions = [" great.", " is long , and", " is it short?"]
    if name == "WordPiece":  # it cannot tell a point behind a space from one without
        completions = [" great .", " is long , and", " is it short ?"]
    both = samples_of(tokenizer, prompts, completions, ended=False)
    found = written(both, prompts, tokenizer)
    assert found.completions == completions
    assert found.ended == [False] * 3
    (same,) = written(both[torch.tensor([1])], prompts[1:2], tokenizer).completions  # padded on the left
    assert same == completions[1]


@pytest.mark.parametrize("name", FAMILIES)
def test_decoded_alone_a_first_space_may_be_lost(name):
    """What these tests are about: the families in which the plain way is wrong are known."""
    tokenizer = fast(FAMILIES[name]())
    samples = samples_of(tokenizer, ["The film"], [" is great"])
    alone = tokenizer.batch_decode(samples.ids, skip_special_tokens=True)[0]
    loses = {"Metaspace", "WordPiece", "Unigram"}
    assert alone == ("is great" if name in loses else " is great")


def test_a_completion_may_go_on_inside_a_word():
    tokenizer = fast(metaspace())
    head = encode(["The fil"], tokenizer, most=60)
    m = tokenizer.convert_tokens_to_ids("m")
    samples = Samples(head, torch.tensor([[m]]), torch.tensor([[True]]))
    assert written(samples, ["The fil"], tokenizer).completions == ["m"]


def test_white_space_that_a_tokenizer_drops_is_not_doubled():
    for name in ("Unigram", "WordPiece"):
        tokenizer = fast(FAMILIES[name]())
        found = written(samples_of(tokenizer, ["The film"], [" is"]), ["The film "], tokenizer)
        assert found.prompts[0] + found.completions[0] == "The film is", name
    tokenizer = fast(metaspace())  # keeps it
    found = written(samples_of(tokenizer, ["The film "], [" is"]), ["The film "], tokenizer)
    assert found.prompts[0] + found.completions[0] == "The film  is"


@pytest.mark.parametrize("name", ["byte-level BPE", "Metaspace"])
def test_a_stray_byte_behind_a_prompt_is_the_completion(name):
    """Alone it is no character; ByteFallback then doubts the last character of the prompt too."""
    tokenizer = fast(FAMILIES[name]())
    stray = "¢" if name == "byte-level BPE" else "<0xA2>"
    ids = torch.tensor([tokenizer.convert_tokens_to_ids([stray, "e"])])
    samples = Samples(encode(["The é"], tokenizer, most=60), ids, torch.ones_like(ids, dtype=torch.bool))
    found = written(samples, ["The é"], tokenizer)
    assert found.completions == ["\ufffde"]
    assert found.prompts == ["The é"]


def test_what_cannot_be_told_apart_is_refused(monkeypatch):
    tokenizer = fast(metaspace())
    samples = samples_of(tokenizer, ["The film"], [" is"])
    decoded = tokenizer.batch_decode
    monkeypatch.setattr(
        tokenizer, "batch_decode", lambda *rows, **options: [text[::-1] for text in decoded(*rows, **options)]
    )
    with pytest.raises(UserError, match=r"completion 'si': found 'si mlif ehT' .* begins with .* 'mlif ehT'"):
        written(samples, ["The film"], tokenizer)


def test_special_tokens_are_no_text_and_only_the_last_one_ends():
    tokenizer = fast(metaspace())
    samples = samples_of(tokenizer, ["The film"] * 2, [" is", " is great"])
    samples.ids[1, -2] = tokenizer.bos_token_id
    samples.ids[1, -1] = tokenizer.convert_tokens_to_ids("e")
    found = written(samples, ["The film"] * 2, tokenizer)
    assert found.ended == [True, False]
    assert found.completions[0] == " is"
    assert "<" not in found.completions[1]


LLAMA_2 = (
    "{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
    "{% else %} {{ m.content | trim }} </s>{% endif %}{% endfor %}"
)


def test_the_space_that_a_template_puts_before_an_answer_is_no_part_of_it():
    tokenizer = fast(metaspace(), chat_template=LLAMA_2)
    heads = encode(["The film"], tokenizer, most=60, chat=True)
    whole = tokenizer("[INST] The film [/INST] is great", add_special_tokens=False)["input_ids"]
    ids = torch.tensor([whole[heads.ids.shape[1] :]])
    samples = Samples(heads, ids, torch.ones_like(ids, dtype=torch.bool))
    assert written(samples, ["The film"], tokenizer, chat=True).completions == ["is great"]
    assert written(samples, ["The film"], tokenizer).completions == [" is great"]


def test_a_template_that_only_asks_takes_nothing_away():
    tokenizer = fast(metaspace(), chat_template="[INST] {{ messages[0].content }} [/INST]")
    heads = encode(["The film"], tokenizer, most=60, chat=True)
    whole = tokenizer("[INST] The film [/INST] is great", add_special_tokens=False)["input_ids"]
    ids = torch.tensor([whole[heads.ids.shape[1] :]])
    samples = Samples(heads, ids, torch.ones_like(ids, dtype=torch.bool))
    assert written(samples, ["The film"], tokenizer, chat=True).completions == [" is great"]


def test_gold_of_a_study_reads_what_was_written():
    class Remembers:
        def score(self, prompts, completions):
            self.texts = [prompt + text for prompt, text in zip(prompts, completions, strict=True)]
            return [0.0] * len(self.texts)

    tokenizer, gold = fast(wordpiece()), Remembers()
    samples = samples_of(tokenizer, ["The film", "It"], [" is great", " is"])
    asked = {
        tuple(row[inside].tolist()): prompt
        for row, inside, prompt in zip(
            samples.prompts.ids, samples.prompts.mask, ["The film", "It"], strict=True
        )
    }
    TextGold(gold, tokenizer, asked, chat=False).score(samples, batch=2)
    assert gold.texts == ["The film is great", "It is"]
