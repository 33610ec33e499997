"""The one error that users are meant to read, and what others mean."""

import errno
import re
from pathlib import Path
from stat import S_ISDIR, S_ISREG


class InputError(Exception):
    """Something the user can mend: the message names the file or key, the value and what to do.

    Stages and commands print the message without a traceback and end with a non-zero status.
    """


_FULL = re.compile(
    "no space left on device|disk quota exceeded|disk is full|requested and [0-9]+ written", re.IGNORECASE
)


def is_full_disk(error: BaseException) -> bool:
    """Tell whether an error means a full disk or quota: HDF5, SQLite and NumPy say so in words of their own."""
    known = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return known or _FULL.search(str(error)) is not None


def explain_surroundings(path: Path, error: BaseException) -> str | None:
    """Word what kept a file from being read or segmented though nothing is wrong with it; None for any other error."""
    if isinstance(error, ImportError):
        library = f"the library {error.name}" if error.name else "a library"
        return f"{path}: needs {library}, which cannot be imported ({error}); install it, then run again"
    if isinstance(error, MemoryError):
        return f"{path}: does not fit into the free memory ({str(error) or 'MemoryError'}); give more, or smaller parts"
    return None


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
