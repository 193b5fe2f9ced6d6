"""The one error a user is meant to read."""


class UserError(ValueError):
    """Bad input, in one sentence: the field or file, what was found, what was expected.

    The command line prints it and exits with code 2; nothing has been written when it is raised.
    """
