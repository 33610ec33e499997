"""The one error that users are meant to read."""

from pathlib import Path
from stat import S_ISDIR, S_ISREG


class InputError(Exception):
    """Something the user can mend: the message names the file or key, the value and what to do.

    Stages and commands print the message without a traceback and end with a non-zero status.
    """


def refuse_pipe(path: Path, key: str | None = None) -> None:
    """Refuse a pipe, a socket or a device, which whoever opens it would wait for without end.

    A path that does not exist, such as a dangling link, is for the reader to name.

    Raises:
        InputError: it is one.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if not (S_ISREG(mode) or S_ISDIR(mode)):
        said = f"{key}: '{path}'" if key else f"{path}:"
        raise InputError(f"{said} is a pipe, a socket or a device; name files")
