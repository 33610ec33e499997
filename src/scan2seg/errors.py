"""The one error that users are meant to read."""


class InputError(Exception):
    """Something the user can mend: the message names the file or key, the value and what to do.

    Stages and commands print the message without a traceback and end with a non-zero status.
    """
