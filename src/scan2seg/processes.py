"""Which process is meant: its number alone does not say, since numbers are used again."""

import os
from functools import cache

STARTS_EQUAL = 1.0
"""Seconds between two tellings of when one process started: the clock may have been set in between."""


def started(process: int | None = None) -> float | None:
    """Return when a process of this host started, in seconds since 1970; None where there is none, or it is dead.

    A killed process that nobody has waited for, as in a container without an init, is dead too.

    Args:
        process: its number; None for this one.
    """
    return _started(os.getpid()) if process is None else _ask(process)


def is_running(process: int, start: float | None) -> bool:
    """Tell whether a process of this host runs.

    Args:
        process: its number.
        start: when it started, as ``started`` told; None where that is not known, and any of this number will do.
    """
    found = _ask(process)
    return found is not None and (start is None or abs(found - start) <= STARTS_EQUAL)


@cache
def _started(process: int) -> float | None:
    # by its number: a fork is another process
    return _ask(process)


def _ask(process: int) -> float | None:
    import psutil

    try:
        found = psutil.Process(process)
        dead = str(found.status()) in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        return None if dead else float(found.create_time())
    except (psutil.NoSuchProcess, ValueError, OverflowError):
        return None
