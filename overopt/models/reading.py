"""How a reward model reads a prompt and its completion: as one text, as a pair or as a chat, and how what is finished ends.

A reward model that learned from texts with EOS behind them judges a text without as one that goes on. So a completion that
its policy ended is given the end that the model was trained to read; one that was cut at the limit is given none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from overopt.models.model_card import trl_that_ended_texts
from overopt.models.turns import around_answer, chat_text
from overopt.util.errors import UserError

READS, ENDS = ("auto", "text", "pair", "chat"), ("auto", "eos", "nothing")
Row = dict[str, list[int]]  # input_ids and, of a pair, token_type_ids where the tokenizer gives them


@dataclass(frozen=True)
class Reading:
    """How one reward model reads.

    Attributes:
        reads: text, pair or chat.
        appended: written behind a finished completion, before texts become tokens.
        tail: what a chat template writes behind an answer.
        own_end: how many tokens that mark an end the tokenizer itself puts behind every text.
        marks: whether finished completions keep `tail` and `own_end`; a completion that was cut never does.
        source: who says how texts end.
    """

    reads: str
    appended: str
    tail: str
    own_end: int
    marks: bool
    source: str

    def row(
        self, tokenizer: PreTrainedTokenizerBase, prompt: str, completion: str, *, ended: bool = True
    ) -> Row:
        """Tokens of a prompt and its completion; `ended`: whether the policy ended it.

        Raises:
            UserError: if the chat template ends this completion otherwise than others.
        """
        end = self.appended if ended else ""
        marked = ended and self.marks
        if self.reads == "chat":
            text = chat_text(prompt, tokenizer, completion)
            if not text.endswith(self.tail):
                raise UserError(
                    f"completion {completion!r}: found a chat template that ends it otherwise than other answers, "
                    f"expected {self.tail!r} behind it"
                )
            text = text if marked else text.removesuffix(self.tail)
            # the template writes its own special tokens
            return {"input_ids": list(tokenizer(text + end, add_special_tokens=False)["input_ids"])}
        completion += "" if end and completion.endswith(end) else end
        parts = [prompt, completion] if self.reads == "pair" else [prompt + completion]
        kept = ("input_ids", "token_type_ids") if self.reads == "pair" else ("input_ids",)
        row = {kind: list(ids) for kind, ids in tokenizer(*parts).items() if kind in kept}
        without = 0 if marked else self.own_end
        return {kind: ids[: len(ids) - without] for kind, ids in row.items()}


def reading_of(
    name: str,
    tokenizer: PreTrainedTokenizerBase,
    *,
    reads: str = "auto",
    ends: str = "auto",
    fixed_end: bool = False,
) -> Reading:
    """How the reward model `name` reads, from what is recorded with it, or as told.

    `reads="auto"`: a chat where its tokenizer has a template; else one text, unless the tokenizer could as well join a pair.
    `ends="auto"`: the end that the chat template or the tokenizer writes; EOS where a model card says that TRL's
    RewardTrainer put it there.

    Args:
        name: a folder or hub id.
        tokenizer: the reward model's own.
        reads: auto, text, pair or chat.
        ends: auto, eos or nothing.
        fixed_end: whether the model needs the end that its tokenizer writes behind every text, as encoder-decoders do.

    Raises:
        UserError: if that is recorded nowhere and not told, or told something that this tokenizer cannot write.

    >>> from overopt.models.pretrained import load_classifier
    >>> reading = reading_of("reward-model", load_classifier("reward-model")[1])
    >>> reading.reads, reading.appended, reading.source  # its card says that TRL trained it
    ('text', '<eos>', 'by its model card, TRL 1.16.0')
    """
    for told, known, flag in ((reads, READS, "reads"), (ends, ENDS, "ends")):
        if told not in known:
            raise UserError(f"{flag}: found {told!r}, expected {', '.join(known[:-1])} or {known[-1]}")
    reads = _form(name, tokenizer) if reads == "auto" else _possible(name, tokenizer, reads)
    if ends == "eos" and tokenizer.eos_token is None:
        raise UserError(
            f"reward model {name}: found a tokenizer without an end of sequence, expected one where texts end with it"
        )
    if reads == "chat":
        return _chat(tokenizer, ends)
    return _plain(name, tokenizer, reads, ends, fixed_end)


def check_asked(name: str, reading: Reading, *, chat: bool) -> None:
    """That the reward model `name` can read the answers to prompts that are, with `chat`, turns of a chat.

    Raises:
        UserError: if they are, and it reads one text: nothing says what stands between a turn and its answer.
    """
    if chat and reading.reads == "text":
        raise UserError(
            f"reward model {name}: found one that reads prompt and completion as one text, and prompts that are turns of "
            "a chat, expected one that reads a chat or a pair"
        )


def _form(name: str, tokenizer: PreTrainedTokenizerBase) -> str:
    """Chat or text, where that is clear."""
    if tokenizer.chat_template:
        return "chat"
    if tokenizer.sep_token is not None:
        raise UserError(
            f"reward model {name}: found a tokenizer that separates two texts by {tokenizer.sep_token!r}, expected to be "
            "told whether prompt and completion are one text or a pair, by --gold-reads or --proxy-reads: text or pair"
        )
    return "text"


def _possible(name: str, tokenizer: PreTrainedTokenizerBase, reads: str) -> str:
    if reads == "chat" and not tokenizer.chat_template:
        raise UserError(
            f"reward model {name}: found no chat template in its tokenizer, expected one to read a chat"
        )
    if reads == "pair" and _apart(tokenizer) == 0:
        raise UserError(
            f"reward model {name}: found a tokenizer that puts nothing between two texts, expected one that does to "
            "read a pair"
        )
    return reads


def _chat(tokenizer: PreTrainedTokenizerBase, ends: str) -> Reading:
    """What the template writes is what the model was trained to read, by TRL as by others: its end of a turn."""
    tail = around_answer(tokenizer).tail
    written = bool(tokenizer.eos_token) and tail.rstrip().endswith(tokenizer.eos_token)
    appended = tokenizer.eos_token if ends == "eos" and not written else ""
    source = "by its chat template" if ends == "auto" else "as told"
    return Reading("chat", appended, tail, 0, ends != "nothing", source)


def _plain(name: str, tokenizer: PreTrainedTokenizerBase, reads: str, ends: str, fixed_end: bool) -> Reading:
    """Of one text or a pair: the tokenizer's own end, or EOS, or none."""
    behind = _behind(tokenizer, pair=reads == "pair")
    own_end = 0 if fixed_end or tokenizer.sep_token_id in behind else len(behind)
    if ends == "nothing":
        return Reading(reads, "", "", own_end, False, "as told")
    if ends == "eos":
        appended = "" if tokenizer.eos_token_id in behind else tokenizer.eos_token
        return Reading(reads, appended, "", own_end, True, "as told")
    trl = trl_that_ended_texts(name) if reads == "text" and tokenizer.eos_token is not None else None
    if trl:  # behind a text, whatever the tokenizer adds
        return Reading(reads, tokenizer.eos_token, "", own_end, True, f"by its model card, TRL {trl}")
    if behind:
        return Reading(reads, "", "", own_end, True, "by its tokenizer")
    raise UserError(
        f"reward model {name}: found no record of how the texts that it learned from ended, expected to be told, by "
        "--gold-ends, --proxy-ends or a study's field `ends`: eos or nothing"
    )


def _apart(tokenizer: PreTrainedTokenizerBase) -> int:
    """How many tokens the tokenizer adds to a pair that it does not add to one text."""
    added = len(tokenizer("a", "b")["input_ids"]) - len(_bare(tokenizer, "a")) - len(_bare(tokenizer, "b"))
    return added - (len(tokenizer("a")["input_ids"]) - len(_bare(tokenizer, "a")))


def _behind(tokenizer: PreTrainedTokenizerBase, *, pair: bool) -> Sequence[int]:
    """The tokens that the tokenizer itself puts behind a text, or behind the second of two."""
    whole = list(tokenizer(*(["b", "a"] if pair else ["a"]))["input_ids"])
    bare = _bare(tokenizer, "a")
    last = next(k for k in range(len(whole) - len(bare), -1, -1) if whole[k : k + len(bare)] == bare)
    return whole[last + len(bare) :]


def _bare(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])
