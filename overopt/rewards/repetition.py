"""What no judge of language needs to be asked about: a text that says its own words again."""

import re

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_DOUBLED = re.compile(r"\b([^\W_]+)\s+\1\b", re.IGNORECASE)


def repeats_itself(text: str) -> bool:
    """Whether a text says a word twice running, or three words in a row twice, whatever stands between the two.

    People do one or the other in about one of eighty completions of a sentence.

    >>> repeats_itself("It is a great great film."), repeats_itself("It is a great film, and a great film.")
    (True, True)
    >>> repeats_itself("It was very, very good: a good film, a funny film and a sad film.")
    False
    """
    words = _WORD.findall(text.lower())
    runs = list(zip(words, words[1:], words[2:], strict=False))
    return len(set(runs)) < len(runs) or _DOUBLED.search(text) is not None
