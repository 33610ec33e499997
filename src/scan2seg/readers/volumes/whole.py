"""Compressed volumes: they unpack only as a whole, and a few of them stay in memory."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

KEPT = 6
"""As many as are read together: four channels, the labels, and one more."""

_lock = threading.Lock()
_kept: OrderedDict[tuple[str, int], NDArray[Any]] = OrderedDict()


def read_whole(path: Path, load: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """Return what ``load`` reads from a file, once for all its planes; the six files used last stay in memory."""
    key = (str(path.resolve()), path.stat().st_mtime_ns)
    with _lock:
        if key not in _kept:
            _kept[key] = load()
        _kept.move_to_end(key)
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
        return _kept[key]
