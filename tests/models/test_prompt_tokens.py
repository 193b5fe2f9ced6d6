"""What stands around a prompt: a start once, no end, whatever a tokenizer adds by itself."""

import pytest
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer

from overopt.models.pretrained import encode
from overopt.models.prompt_tokens import prompt_tokens
from overopt.util.errors import UserError

TEMPLATE = "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}[assistant]"


@pytest.fixture
def adding(tokenizer, tmp_path):
    """A tokenizer that puts tokens around every text, by a template of the tokenizers library."""

    def make(single):
        tokenizer.save_pretrained(tmp_path)
        made = AutoTokenizer.from_pretrained(tmp_path)
        marks = [("<bos>", made.bos_token_id), ("<eos>", made.eos_token_id)]
        made.backend_tokenizer.post_processor = TemplateProcessing(single=single, special_tokens=marks)
        return made

    return make


@pytest.mark.parametrize(
    ("single", "before"),
    [("$A", 0), ("<bos> $A", 1), ("$A <eos>", 0), ("<bos> $A <eos>", 1), ("<bos> <bos> $A", 2)],
)
def test_a_start_stays_and_an_end_is_left_out(single, before, adding, tokenizer):
    made = adding(single)
    bare = tokenizer("The film was", add_special_tokens=False)["input_ids"]
    expected = [*[made.bos_token_id] * before, *bare]
    assert prompt_tokens("The film was", made) == expected
    assert encode(["The film was"], made, most=20).ids.tolist() == [expected]


@pytest.mark.parametrize("single", ["$A", "<bos> $A", "<bos> $A <eos>"])
def test_a_prompt_that_brings_its_start_gets_no_second(single, adding):
    made = adding(single)
    found = prompt_tokens("<bos>The film", made)
    assert found == made("<bos>The film", add_special_tokens=False)["input_ids"]
    assert found.count(made.bos_token_id) == 1


@pytest.mark.parametrize("single", ["$A", "<bos> $A", "<bos> $A <eos>"])
def test_a_chat_begins_as_its_template_says(single, adding):
    made = adding(single)
    made.chat_template = TEMPLATE
    row = encode(["The film"], made, most=60, chat=True).ids[0].tolist()
    assert row.count(made.bos_token_id) == 1
    assert row[0] == made.bos_token_id
    assert made.eos_token_id not in row
    # the same chat, written out by somebody before
    written = made.apply_chat_template([{"role": "user", "content": "The film"}], tokenize=False)
    assert prompt_tokens(written, made) == row


def test_an_end_that_the_prompt_itself_holds_is_its_own(adding):
    made = adding("$A <eos>")
    assert prompt_tokens("It was<eos>", made)[-1] == made.eos_token_id
    assert prompt_tokens("It was<eos>", made) == made("It was<eos>", add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            str.upper,
            "tokenizer: found tokens .* for 'a' with special tokens and .* without, expected these in those",
        ),
        (
            lambda text: text[::-1],
            "prompt 'The film': found other tokens with special tokens around them than with",
        ),
    ],
)
def test_a_tokenizer_that_changes_texts_is_refused(change, sentence, adding):
    """One that reads every text otherwise where it adds special tokens, or only a longer one."""
    made = adding("$A")

    class Changing(type(made)):
        def __call__(self, text, *, add_special_tokens):
            return super().__call__(change(text) if add_special_tokens else text)

    made.__class__ = Changing
    with pytest.raises(UserError, match=sentence):
        prompt_tokens("The film", made)
