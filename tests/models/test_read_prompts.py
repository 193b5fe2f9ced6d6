"""Prompts from files of every kind that is known, and of no other."""

import gzip
import json

import polars as pl
import pytest

from overopt.models.pretrained import read_prompts
from overopt.util.errors import UserError

TEXTS = ["The film, it", "01"]
CHATS = [[{"role": "system", "content": "Be kind."}, {"role": "user", "content": text}] for text in TEXTS]
ROWS = [{"prompt": text, "id": k} for k, text in enumerate(TEXTS)]
OF_CHATS = [{"prompt": chat} for chat in CHATS]


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.txt", "The film, it\n\n01\n"),
        ("p.csv", pl.DataFrame(ROWS).write_csv()),
        ("p.json", json.dumps(ROWS)),
        ("p.json", json.dumps(TEXTS)),
        ("p.json", json.dumps({"prompt": TEXTS})),
        ("p.jsonl", lines(ROWS)),
        ("p.jsonl", lines(OF_CHATS)),
        ("p.json", json.dumps(OF_CHATS)),
        ("p.csv", pl.DataFrame({"prompt": [json.dumps(chat) for chat in CHATS]}).write_csv()),
        ("p.csv", pl.DataFrame({"prompt": [str(chat) for chat in CHATS]}).write_csv()),
    ],
)
def test_prompts_are_read_from(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    assert read_prompts(tmp_path / name) == TEXTS
    with gzip.open(tmp_path / f"{name}.gz", "wt") as file:
        file.write(content)
    assert read_prompts(tmp_path / f"{name}.gz") == TEXTS


def test_parquet_may_hold_chats(tmp_path):
    pl.DataFrame({"turns": CHATS}).write_parquet(tmp_path / "p.parquet")
    assert read_prompts(tmp_path / "p.parquet", "turns") == TEXTS


@pytest.mark.parametrize("name", ["p.yaml", "p.docx", "p.md", "p", "p.gz", "p.parquet.gz"])
def test_another_kind_is_never_read_as_text(tmp_path, name):
    (tmp_path / name).write_text("- prompt: The film\n")
    with pytest.raises(UserError, match=r"found the ending .*, expected \.txt, \.csv"):
        read_prompts(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.csv", "text\nThe film\n", "expected a field 'prompt' in every row; found: 'text'"),
        ("p.csv", "prompt\n\n", "found no"),
        ("p.json", json.dumps({"data": {"a": 1}}), "found one object with the keys 'data'"),
        ("p.jsonl", lines([{"prompt": CHATS[0][:1]}]), "row 1: found messages of the roles 'system'"),
        ("p.csv", pl.DataFrame({"prompt": [json.dumps(CHATS[0][:1])]}).write_csv(), "row 1: found messages of the roles"),
        ("p.jsonl", lines([{"prompt": "a"}, {"prompt": None}]), "found no text in row 2"),
    ],
)  # fmt: skip
def test_what_holds_no_prompts_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message):
        read_prompts(tmp_path / name)
