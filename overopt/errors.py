"""The one error a user is meant to read, and what the system said where a library wraps it."""

import os
import re


class UserError(ValueError):
    """Bad input, in one sentence: the field or file, what was found, what was expected.

    The command line prints it and exits with code 2; nothing has been written when it is raised.
    """


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
