"""A tokenizer as its owner saved it: transformers may load it as another.

Transformers chooses a class of tokenizer by the architecture beside it, and some of those classes (Qwen2's) put their own
pre-tokenizer and decoder in the place of what `tokenizer.json` says. Whoever trained the model read what stands in the file.
"""

from pathlib import Path

from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.utils import cached_file

from overopt.util.errors import UserError

# words with and without spaces before them, marks, runs of spaces, digits, capitals, other scripts, lines
TRIED = (
    "The film is great, it is.",
    " I don't  like it   at all!\n\nWas it 1,234.50 long?",
    "naïve café: 电影很好, ещё раз 🎬 (a_b-c)\tend ",
)


def tokenizer_as_saved(name: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder or hub id, which encodes and decodes as its file `tokenizer.json` does, if it has one.

    Raises:
        UserError: if transformers loads it as one that does not.
        OSError, ValueError, KeyError: if there is none, as transformers says it.

    >>> tokenizer = tokenizer_as_saved("sft")
    >>> tokenizer.decode(tokenizer("The film")["input_ids"]).strip()
    'The film'
    """
    found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(name)
    path = cached_file(
        name,
        "tokenizer.json",
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    if path is None or _agree(found, Path(path)):
        return found
    plain: PreTrainedTokenizerBase = PreTrainedTokenizerFast.from_pretrained(name)
    if not _agree(plain, Path(path)):
        raise UserError(
            f"model {name}: found a tokenizer that transformers loads as a {type(found).__name__}, which splits texts "
            "otherwise than its tokenizer.json, expected both to agree"
        )
    return plain


def _agree(tokenizer: PreTrainedTokenizerBase, path: Path) -> bool:
    """Whether texts come to the same tokens, and tokens to the same texts, as by the file at `path`."""
    saved = Tokenizer.from_file(str(path))
    saved.no_padding()
    saved.no_truncation()
    for text in TRIED:
        ids = saved.encode(text, add_special_tokens=False).ids
        if list(tokenizer(text, add_special_tokens=False)["input_ids"]) != ids:
            return False
        decoded = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        if decoded != saved.decode(ids, skip_special_tokens=True):
            return False
    return True
