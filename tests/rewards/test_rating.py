"""Rating models read text in a vocabulary of their own."""

import pytest
from conftest import TEXTS

from overopt.models.build import train_tokenizer
from overopt.rewards.rating import translate


@pytest.fixture(scope="module")
def own():
    return train_tokenizer(TEXTS, 280, lowercase=True)


def test_translation_keeps_text_and_end(tokenizer, own):
    ends = [tokenizer.eos_token_id], []
    rows = [
        [tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"], *end]
        for text in TEXTS
        for end in ends
    ]
    translated = translate(rows, tokenizer, own, 1000)
    assert {row[0] for row in translated} == {own.bos_token_id}
    for k, row in enumerate(translated):
        assert (row[-1] == own.eos_token_id) == (k % 2 == 0)
        assert (
            own.decode(row, skip_special_tokens=True)
            == tokenizer.decode(rows[k], skip_special_tokens=True).lower()
        )
    assert max(map(len, translate(rows, tokenizer, own, 7))) == 7
