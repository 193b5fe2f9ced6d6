"""A reward model reads what it was trained to read: token by token what TRL's RewardTrainer made of the same texts."""

from types import SimpleNamespace

import pytest
from datasets import Dataset
from tokenizer_families import (
    FAMILIES,
    bert,
    between_cls_and_sep,
    byte_level,
    eos_behind,
    fast,
    metaspace,
    wordpiece,
)
from trl import RewardTrainer

from overopt.models.model_card import trl_that_ended_texts
from overopt.models.reading import reading_of
from overopt.util.errors import UserError

PROMPT, ANSWER = "The film", " is great."
CHATML = (
    "{% for m in messages %}<s>{{ m.role }}\n{{ m.content }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
)
CARD = "---\nlicense: mit\ntags:\n- trl\n- {tag}\n---\n# A model\n\n- TRL: {version}\n- Pytorch: 2.9\n"


@pytest.fixture(autouse=True)
def any_model(tmp_path, monkeypatch):
    """The model "any" is an empty folder: what is no folder would be looked for on the hub."""
    (tmp_path / "any").mkdir()
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def folder(tmp_path):
    """A folder with the card of a model that TRL trained, by default one that ended its texts."""

    def make(tag="reward-trainer", version="1.16.0"):
        (tmp_path / "README.md").write_text(CARD.format(tag=tag, version=version))
        return str(tmp_path)

    return make


def trl_reads(tokenizer, example):
    """The tokens that TRL's RewardTrainer trains on."""
    rejected = example["chosen"] if isinstance(example["chosen"], list) else "."
    args = SimpleNamespace(dataset_num_proc=None, max_length=None)
    data = Dataset.from_list([example | {"rejected": rejected}])
    made = RewardTrainer._prepare_dataset(SimpleNamespace(), data, tokenizer, args, "train")
    return made["chosen_ids"][0]


def ids(reading, tokenizer, *, ended=True, prompt=PROMPT, answer=ANSWER):
    return reading.row(tokenizer, prompt, answer, ended=ended)["input_ids"]


@pytest.mark.parametrize("processor", [lambda made: made, eos_behind])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_plain_text_is_read_as_trl_wrote_it(name, processor, folder):
    """Also where the tokenizer puts an EOS of its own behind TRL's."""
    tokenizer = fast(processor(FAMILIES[name]()))
    reading = reading_of(folder(), tokenizer)
    assert reading.source == "by its model card, TRL 1.16.0"
    finished = ids(reading, tokenizer)
    assert finished == trl_reads(tokenizer, {"prompt": PROMPT, "chosen": ANSWER})
    assert finished[-1] == tokenizer.eos_token_id
    ends = 2 if processor is eos_behind else 1
    assert ids(reading, tokenizer, ended=False) == finished[:-ends]
    assert ids(reading, tokenizer, answer=ANSWER + "</s>") == finished  # TRL appends no second one
    assert ids(reading, tokenizer, answer=ANSWER + "</s>") == trl_reads(
        tokenizer, {"prompt": PROMPT, "chosen": ANSWER + "</s>"}
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_a_chat_is_read_as_trl_wrote_it_and_its_turn_ends_with_the_answer(name):
    tokenizer = fast(FAMILIES[name](), chat_template=CHATML)
    reading = reading_of("any", tokenizer)
    assert (reading.reads, reading.source) == ("chat", "by its chat template")
    turns = [{"role": "user", "content": PROMPT}], [{"role": "assistant", "content": ANSWER}]
    finished = ids(reading, tokenizer)
    assert finished == trl_reads(tokenizer, {"prompt": turns[0], "chosen": turns[1]})
    cut = ids(reading, tokenizer, ended=False)
    assert cut == finished[: len(cut)]
    assert finished[len(cut)] == tokenizer.eos_token_id
    assert finished.count(tokenizer.eos_token_id) == 2
    assert cut.count(tokenizer.eos_token_id) == 1


@pytest.mark.parametrize(
    ("tag", "version"), [("reward-trainer", "0.23.1"), ("sft", "1.16.0"), ("reward-trainer", "none")]
)
def test_a_card_that_does_not_say_it_is_no_record(tag, version, folder):
    name = folder(tag, version)
    assert trl_that_ended_texts(name) is None
    with pytest.raises(UserError, match=r"found no record of how .* by --gold-ends, .*: eos or nothing"):
        reading_of(name, fast(metaspace()))


@pytest.mark.parametrize("text", ["", "no matter", "---\n: [\n---\n", "---\n- a\n---\n- TRL: 1.16.0\n"])
def test_a_card_of_another_kind_is_no_record(text, tmp_path):
    (tmp_path / "README.md").write_text(text)
    assert trl_that_ended_texts(str(tmp_path)) is None


def test_the_first_version_that_ended_texts_is_known(folder):
    assert trl_that_ended_texts(folder(version="0.24.0")) == "0.24.0"
    assert trl_that_ended_texts(folder(version="0.26.0.dev0")) == "0.26.0.dev0"


def test_a_tokenizer_that_ends_texts_is_a_record():
    tokenizer = fast(eos_behind(byte_level()))
    reading = reading_of("any", tokenizer)
    assert reading.source == "by its tokenizer"
    plain = tokenizer(PROMPT + ANSWER, add_special_tokens=False)["input_ids"]
    assert ids(reading, tokenizer) == [*plain, tokenizer.eos_token_id]
    assert ids(reading, tokenizer, ended=False) == plain
    told = [reading_of("any", tokenizer, ends=ends) for ends in ("eos", "nothing")]
    assert [ids(one, tokenizer) for one in told] == [[*plain, tokenizer.eos_token_id], plain]
    needed = reading_of("any", tokenizer, fixed_end=True)  # T5 reads its score there
    assert ids(needed, tokenizer, ended=False) == [*plain, tokenizer.eos_token_id]


def test_ends_as_told():
    tokenizer = fast(metaspace())
    plain = tokenizer(PROMPT + ANSWER)["input_ids"]
    assert plain[0] == tokenizer.bos_token_id
    for ends, finished in (("eos", [*plain, tokenizer.eos_token_id]), ("nothing", plain)):
        reading = reading_of("any", tokenizer, ends=ends)
        assert (reading.reads, reading.source) == ("text", "as told")
        assert ids(reading, tokenizer) == finished
        assert ids(reading, tokenizer, ended=False) == plain


def test_ends_of_a_chat_as_told():
    tokenizer = fast(metaspace(), chat_template=CHATML)
    auto, eos, nothing = (reading_of("any", tokenizer, ends=ends) for ends in ("auto", "eos", "nothing"))
    assert ids(eos, tokenizer) == ids(auto, tokenizer)  # its end of a turn is EOS already
    assert (
        ids(nothing, tokenizer) == ids(auto, tokenizer, ended=False) == ids(nothing, tokenizer, ended=False)
    )
    open_end = fast(
        metaspace(), chat_template="{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    )
    auto, eos = (reading_of("any", open_end, ends=ends) for ends in ("auto", "eos"))
    assert ids(eos, open_end) == [*ids(auto, open_end), open_end.eos_token_id]
    assert ids(eos, open_end, ended=False) == ids(auto, open_end)


def test_an_answer_like_the_end_of_the_template_is_cut_at_the_right_place():
    """What is taken off a cut answer is the template's end, once."""
    tokenizer = fast(metaspace(), chat_template=CHATML)
    reading = reading_of("any", tokenizer)
    cut = ids(reading, tokenizer, ended=False, answer="is it</s>\n")
    assert (
        cut[-len(tokenizer.tokenize("</s>\n")) - 1 :]
        == ids(reading, tokenizer, ended=True, answer="is it")[-len(tokenizer.tokenize("</s>\n")) - 1 :]
    )


def test_a_template_whose_end_hangs_on_the_answer_is_refused():
    template = "{% for m in messages %}{{ m.content }}{{ '?' if 'great' in m.content else '!' }}{% endfor %}"
    tokenizer = fast(metaspace(), chat_template=template)
    with pytest.raises(UserError, match=r"ends it otherwise than other answers, expected '!' behind it"):
        ids(reading_of("any", tokenizer), tokenizer)
    twice = fast(
        metaspace(), chat_template="{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}"
    )
    with pytest.raises(UserError, match="a template that writes an answer 2 times, expected it once"):
        reading_of("any", twice)


def test_one_text_or_a_pair_is_never_guessed():
    tokenizer = bert()
    with pytest.raises(
        UserError,
        match=r"separates two texts by '\[SEP\]', .* by --gold-reads or --proxy-reads: text or pair",
    ):
        reading_of("any", tokenizer)
    one, two = (reading_of("any", tokenizer, reads=reads) for reads in ("text", "pair"))
    words = tokenizer.tokenize(PROMPT), tokenizer.tokenize(ANSWER)
    assert tokenizer.convert_ids_to_tokens(ids(one, tokenizer)) == ["[CLS]", *words[0], *words[1], "[SEP]"]
    row = two.row(tokenizer, PROMPT, ANSWER)
    assert tokenizer.convert_ids_to_tokens(row["input_ids"]) == [
        "[CLS]",
        *words[0],
        "[SEP]",
        *words[1],
        "[SEP]",
    ]
    assert row["token_type_ids"] == [0] * (len(words[0]) + 2) + [1] * (len(words[1]) + 1)
    assert (
        two.row(tokenizer, PROMPT, ANSWER, ended=False) == row
    )  # [SEP] stands behind whatever such a model reads


def test_a_pair_whose_end_is_told():
    """A separator is no end; EOS behind the second text is."""
    tokenizer = bert()
    reading = reading_of("any", tokenizer, reads="pair", ends="eos")
    row = reading.row(tokenizer, PROMPT, ANSWER)
    assert tokenizer.convert_ids_to_tokens(row["input_ids"])[-2:] == ["</s>", "[SEP]"]
    assert "</s>" not in tokenizer.convert_ids_to_tokens(ids(reading, tokenizer, ended=False))
    both = fast(eos_behind(byte_level()), sep_token="<unk>")
    cut = reading_of("any", both, reads="pair").row(both, PROMPT, ANSWER, ended=False)
    whole = both(PROMPT, ANSWER)
    assert cut["input_ids"] == whole["input_ids"][:-1]
    assert cut["input_ids"].count(both.eos_token_id) == 1  # behind the prompt


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reads": "chat"}, "found no chat template in its tokenizer"),
        ({"reads": "pair"}, "a tokenizer that puts nothing between two texts"),
        ({"reads": "both"}, "reads: found 'both', expected auto, text, pair or chat"),
        ({"ends": "sep"}, "ends: found 'sep', expected auto, eos or nothing"),
    ],
)
def test_what_a_tokenizer_cannot_write_is_refused(options, message):
    with pytest.raises(UserError, match=message):
        reading_of("any", fast(byte_level()), **options)


def test_no_end_of_sequence_is_named():
    tokenizer = fast(between_cls_and_sep(wordpiece()), eos_token=None, sep_token="[SEP]")
    with pytest.raises(UserError, match="found a tokenizer without an end of sequence"):
        reading_of("any", tokenizer, reads="text", ends="eos")
