"""The one error a user is meant to read, and what the system said where a library wraps it."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class UserError(ValueError):
    """Bad input, in one sentence: the field or file, what was found, what was expected.

    The command line prints it and exits with code 2; nothing has been written when it is raised.

    >>> import overopt
    >>> overopt.best_of_n([[0.1, 0.2]], [[1.0, 2.0]], n=3)
    Traceback (most recent call last):
    ...
    overopt.util.errors.UserError: n: found 3, expected at most 2, the samples per prompt
    """


def printable(text: str) -> str:
    """A text on one line, with control characters written as Python writes them: names come from people's files.

    >>> printable("found two\\nlines")
    'found two\\\\nlines'
    """
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def system_error(error: BaseException) -> OSError | None:
    """What the system said, in the words of Python, if that is what an exception is about.

    polars, safetensors and tokenizers raise exceptions of their own on a full disk, which end in "(os error 28)".
    """
    if isinstance(error, OSError) and error.strerror:
        return error
    number = re.search(r"\(os error (\d+)\)", str(error))
    if number:
        return OSError(int(number[1]), os.strerror(int(number[1])))
    return error if isinstance(error, OSError) else None


@contextmanager
def refusals(say: Callable[[OSError, str], str]) -> Iterator[None]:
    """In this block, what the system refuses becomes the sentence that `say` makes of it and of its reason.

    Raises:
        UserError: that sentence; other errors pass.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        refusal = system_error(error)
        if refusal is None:
            raise
        raise UserError(say(refusal, refusal.strerror or str(refusal))) from error
