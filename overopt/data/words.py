"""Words of texts, and how many of them are known: what a reader stumbles over first in the text of a small model."""

import re
from collections import Counter
from collections.abc import Iterable

LEAST = 5  # times that a word must occur to be known, as in word2vec (Mikolov et al. 2013)
_WORD = re.compile(r"[a-z']+")


def words(text: str) -> list[str]:
    """The words of a text in lower case: runs of letters and apostrophes."""
    return _WORD.findall(text.lower())


def known_words(texts: Iterable[str]) -> frozenset[str]:
    """The words that occur at least `LEAST` times in `texts`."""
    counts = Counter(word for text in texts for word in words(text))
    return frozenset(word for word, count in counts.items() if count >= LEAST)


def known_share(texts: Iterable[list[str]], known: frozenset[str]) -> float:
    """Share of all words of `texts`, lists of words, that are `known`; nan where there are no words."""
    found = [word in known for text in texts for word in text]
    return sum(found) / len(found) if found else float("nan")
