"""What runs in the process of a Dask worker: a part of the work, and what is set up before."""

import logging as standard_logging
import pickle
import signal
import threading
from collections.abc import Callable
from typing import Any, Protocol

from scan2seg.logging import keeping_warnings

DASK_LOGGERS = ("distributed", "distributed.client")
"""Those that have a level of their own."""


class Work(Protocol):
    """What is done to slabs of one store; it travels to the workers, and so is small and can be pickled."""

    def open(self) -> Callable[[slice], Any]:
        """Open what is needed, once in each worker; return what reads, computes and writes a slab.

        What that returns is JSON. It is called by several threads at a time.
        """


_opened: dict[bytes, Callable[[slice], Any]] = {}
"""The work that was opened last."""
_lock = threading.Lock()


def dask_setup(_: Any) -> None:
    """Leave it to the job to end its workers and to tell of their errors: Dask calls this in each, by this name."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # asyncio tells of what is read when a worker is ended
    for name in (*DASK_LOGGERS, "asyncio"):
        standard_logging.getLogger(name).setLevel(standard_logging.CRITICAL)


def do_part(content: bytes, slab: slice) -> tuple[Any, list[str]]:
    """Do work to a slab, and open it before if it is another than the last.

    Args:
        content: the pickled work.
        slab: the part.

    Returns:
        What the work returns, and its warnings, which the job says: a worker has no log of the user.
    """
    with keeping_warnings() as said:
        with _lock:
            if content not in _opened:
                _opened.clear()
                work: Work = pickle.loads(content)
                _opened[content] = work.open()
            run = _opened[content]
        return run(slab), said
