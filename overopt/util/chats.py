"""Prompts that are chats: lists of messages {role, content}, as datasets and servers write them."""

import ast
import json
from typing import Any

from overopt.util.errors import UserError


def last_user_turn(messages: Any, where: str) -> str:
    """The text of the user's last message; `where` names the place in a refusal.

    >>> last_user_turn([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}], "row 1")
    'Hi'

    Raises:
        UserError: if that is no list of messages, no message is a user's, or the last one is no text.
    """
    return _text(_until_answer(messages, where)[-1]["content"], where)


def conversation(messages: Any, where: str) -> str:
    """All messages up to the user's last one as JSON: what two chats must share to be one prompt.

    Raises:
        UserError: as `last_user_turn`.
    """
    kept = [
        {"role": message["role"], "content": _text(message["content"], where)}
        for message in _until_answer(messages, where)
    ]
    return json.dumps(kept, ensure_ascii=False)


def written_out(text: str) -> Any:
    """The messages that `text` writes out, as JSON or as pandas does in a CSV; `text` itself if it is no chat."""
    if not text.lstrip().startswith("[") or "role" not in text:
        return text
    for parse in (json.loads, ast.literal_eval):
        try:
            found = parse(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(found, list) and found and all(isinstance(message, dict) for message in found):
            return found
    return text


def _until_answer(messages: Any, where: str) -> list[dict[str, Any]]:
    if not isinstance(messages, list) or not all(
        isinstance(message, dict) and {"role", "content"} <= message.keys() for message in messages
    ):
        raise UserError(
            f"{where}: found a prompt that is neither text nor a list of messages, expected a text or messages "
            "{role, content}"
        )
    users = [k for k, message in enumerate(messages) if message["role"] == "user"]
    if not users:
        roles = ", ".join(repr(message["role"]) for message in messages) or "none"
        raise UserError(f"{where}: found messages of the roles {roles}, expected one of 'user'")
    return messages[: users[-1] + 1]


def _text(content: Any, where: str) -> str:
    """The text of a message, which may come in parts {type: text, text}."""
    if isinstance(content, list) and all(
        isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)
        for part in content
    ):
        return "".join(part["text"] for part in content)
    if not isinstance(content, str):
        raise UserError(f"{where}: found a message whose content is no text, expected text")
    return content
