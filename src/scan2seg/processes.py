"""Which process is meant: its number alone does not say, since numbers are used again."""

import os
from functools import cache
from pathlib import Path
from typing import Any

_HIDDEN = -1
"""Of a process of another user, where the system shows nobody those of others (``hidepid``)."""


def started(process: int | None = None) -> int | None:
    """Return when a process of this host started; None where there is none, or it is dead, or hidden.

    It is in hundredths of a second since the host did, which no setting of the clock changes. A killed process that
    nobody has waited for, as in a container without an init, is dead.

    Args:
        process: its number; None for this one.
    """
    found = _started(os.getpid()) if process is None else _ask(process)
    return None if found == _HIDDEN else found


def is_running(process: int, start: int | None) -> bool:
    """Tell whether a process of this host runs, or may run: one that is there but hidden counts.

    Args:
        process: its number.
        start: when it started, as ``started`` told; None where that is not known, and any of this number will do.
    """
    found = _ask(process)
    return found == _HIDDEN or (found is not None and start in (None, found))


@cache
def _started(process: int) -> int | None:
    # by its number: a fork is another process
    return _ask(process)


def _ask(process: int) -> int | None:
    import psutil

    try:
        found = psutil.Process(process)
        dead = str(found.status()) in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        return None if dead else _read_start(found)
    except psutil.AccessDenied:
        return _HIDDEN
    except (psutil.NoSuchProcess, ValueError, OverflowError):
        return _HIDDEN if _is_hidden(process) else None


def _read_start(process: Any) -> int:
    try:
        # field 22; the second, a name in brackets, may hold spaces
        return int(Path(f"/proc/{process.pid}/stat").read_bytes().rpartition(b")")[2].split()[19])
    except OSError:
        # elsewhere than on Linux: by the clock
        return round(float(process.create_time()) * 100)


def _is_hidden(process: int) -> bool:
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return False
