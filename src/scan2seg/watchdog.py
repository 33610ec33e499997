"""A job that makes no progress: it uses neither the processor nor the disk, as one that waits for a dead file server.

Long work says where it is every half minute whether or not it moves, so lines in a log tell nothing.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from scan2seg.logging import LOGGER, warn

VARIABLE = "SCAN2SEG_STALLED"
"""The environment variable that tells jobs how many minutes to wait, and whether to end: ``30 end`` or ``30 say``."""
BUSY = 0.01
"""Seconds of processor in a second of the clock above which a job works; one that waits needs a thousandth."""
GRACE = 30.0
"""Seconds that a job has to end by itself."""


def announce_limit(minutes: float | None, end: bool) -> None:
    """Tell the jobs that start from here when they count as stalled."""
    if minutes is None:
        os.environ.pop(VARIABLE, None)
    else:
        os.environ[VARIABLE] = f"{minutes:g} {'end' if end else 'say'}"


@contextmanager
def watching() -> Iterator[None]:
    """Watch this process and those that it started while the block runs, if the environment says so.

    One that makes no progress is told of in the log; where asked it is ended, as by Slurm: SIGTERM, then SIGKILL.
    """
    minutes, _, word = os.environ.get(VARIABLE, "").partition(" ")
    if not minutes:
        yield
        return
    over = threading.Event()
    seconds = 60 * float(minutes)
    thread = threading.Thread(target=_watch, args=(seconds, over, _end if word == "end" else None), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()


def _watch(seconds: float, over: threading.Event, end: Callable[[float, threading.Event], None] | None) -> None:
    interval = min(60.0, seconds / 5)
    used, moved = _used(), time.monotonic()
    told = False
    while not over.wait(interval):
        now = _used()
        if now[0] - used[0] > BUSY * interval or now[1] != used[1]:
            moved, told = time.monotonic(), False
        elif time.monotonic() - moved >= seconds and not told:
            told = True
            warn("no progress for %.3g min: neither processor nor disk was used", seconds / 60)
            if end is not None:
                end(seconds, over)
                return
        used = now


def _end(seconds: float, over: threading.Event) -> None:
    LOGGER.error("stalled for %.3g min, so it is ended (cluster.end_stalled)", seconds / 60)
    os.kill(os.getpid(), signal.SIGTERM)
    if not over.wait(GRACE):
        os.kill(os.getpid(), signal.SIGKILL)


def _used() -> tuple[float, int]:
    """Return the processor seconds and the bytes read and written, by this process and those that it started."""
    import psutil

    process = psutil.Process()
    spent, moved = 0.0, 0
    for part in (process, *process.children(recursive=True)):
        try:
            times, files = part.cpu_times(), part.io_counters()
        except (psutil.Error, OSError):
            continue
        # those of children that have ended are in their parent's
        spent += times.user + times.system + times.children_user + times.children_system
        moved += files.read_bytes + files.write_bytes
    # to ask takes time too, which is no work
    return spent - time.thread_time(), moved
