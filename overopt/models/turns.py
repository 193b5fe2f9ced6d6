"""What a chat template writes around an answer: it belongs to the template, not to what was said."""

from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from overopt.util.errors import UserError

ANSWER = "zqanswerqz"  # stands in no template, and no template changes it


@dataclass(frozen=True)
class Around:
    """`lead` stands between the start of an answer and the answer, `tail` between it and the end of the turn."""

    lead: str
    tail: str


def around_answer(tokenizer: PreTrainedTokenizerBase) -> Around:
    """What the template of `tokenizer` writes around an answer.

    Raises:
        UserError: if an answer does not come back from the template as it is, once.
    """
    times = chat_text("Hi", tokenizer, ANSWER).count(ANSWER)
    if times != 1:
        raise UserError(f"chat: found a template that writes an answer {times} times, expected it once")
    return _around(tokenizer)


def lead_of(tokenizer: PreTrainedTokenizerBase) -> str:
    """What the template of a policy writes before an answer; nothing where it writes no answers."""
    return _around(tokenizer).lead


def _around(tokenizer: PreTrainedTokenizerBase) -> Around:
    asked, answered = chat_text("Hi", tokenizer), chat_text("Hi", tokenizer, ANSWER)
    before, found, tail = answered.partition(ANSWER)
    return Around(before.removeprefix(asked) if found and before.startswith(asked) else "", tail)


def chat_text(prompt: str, tokenizer: PreTrainedTokenizerBase, answer: str | None = None) -> str:
    """A user's turn and the start of an answer, as the template writes them; or both turns, where there is an answer."""
    messages = [{"role": "user", "content": prompt}]
    if answer is not None:
        messages.append({"role": "assistant", "content": answer})
    text: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=answer is None)
    return text
