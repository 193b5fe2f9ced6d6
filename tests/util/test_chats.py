"""Chats as prompts: what is the prompt of one, and what is refused."""

import json

import pytest

from overopt.util.chats import conversation, last_user_turn, written_out
from overopt.util.errors import UserError

CHAT = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": [{"type": "text", "text": "And "}, {"type": "text", "text": "now?"}]},
]


def test_the_users_last_turn():
    assert last_user_turn(CHAT, "row 1") == "And now?"
    assert last_user_turn([*CHAT, {"role": "assistant", "content": "Bye."}], "row 1") == "And now?"
    assert last_user_turn(CHAT[:3], "row 1") == "Hi"


def test_a_conversation_ends_with_the_user():
    assert conversation(CHAT[:2], "row 1") == conversation(CHAT[:3], "row 1") != conversation(CHAT, "row 1")


def test_a_chat_may_be_written_out_as_json_or_by_pandas():
    assert written_out(json.dumps(CHAT)) == CHAT
    assert written_out(str(CHAT)) == CHAT
    for text in ("Hi", "[role] play", "[1, 2] role", '[{"role": '):
        assert written_out(text) == text


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([], "found messages of the roles none"),
        (CHAT[:1], "found messages of the roles 'system'"),
        ([{"from": "human", "value": "x"}], "neither text nor a list of messages"),
        ({"role": "user", "content": "x"}, "neither text nor a list of messages"),
        ([{"role": "user", "content": [{"type": "image", "url": "x"}]}], "content is no text"),
        ([{"role": "user", "content": None}], "content is no text"),
    ],
)
def test_what_cannot_be_told_is_refused(messages, message):
    with pytest.raises(UserError, match=f"^row 7: .*{message}"):
        last_user_turn(messages, "row 7")
