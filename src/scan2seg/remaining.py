"""How long a training that was ended will still take, from what its log says, and what its next try asks for."""

import math
import re
from collections.abc import Iterable
from pathlib import Path

EPOCH = re.compile(r"epoch (\d+)/(\d+): .*\(.* at most (\d+) s left\)$")
_TAIL = 20_000
_MARGIN = 1.5
"""Another node may be slower."""
_START_MINUTES = 10
"""For the start, what is lost of the epoch that was not finished, and the end."""


def find_epoch(texts: Iterable[str]) -> re.Match[str] | None:
    """Return the last epoch that a log tells of, latest line first: its number, of how many, and the seconds left."""
    return next((found for text in texts if (found := EPOCH.search(text))), None)


def remaining_minutes(asked: int, log: Path) -> int:
    """Return the minutes that the next try of a training asks for: those left with a margin, never more than asked.

    Without a finished epoch it is all that was asked.

    Args:
        asked: minutes of a training from its beginning.
        log: of the try before.
    """
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return asked
    epoch = find_epoch(reversed(lines))
    # one that finished says nothing of the next, which begins anew
    if epoch is None or " INFO finished in " in lines[-1]:
        return asked
    return min(asked, math.ceil(float(epoch[3]) * _MARGIN / 60) + _START_MINUTES)
