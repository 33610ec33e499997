"""What a prediction reads, computes and writes at a time: parts of shards, with the slices that they are seen with."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from scan2seg.slices import ReadSlice
from scan2seg.storage import TARGET_SHARD_BYTES, shard_length, shards

AHEAD_BYTES = TARGET_SHARD_BYTES // 4
"""What is read ahead of the slices of a part; the others are read when they are needed."""
Values = Sequence[NDArray[Any]]
"""What each target holds of a part, in order."""


def block_length(item: Sequence[int], dtype: Any, count: int, depth: int) -> int:
    """Return how many slices make a shard: tens of megabytes, and at least two slabs of a network on volumes.

    Each shard computes the slabs at its ends anew, so that thin ones would compute most slabs several times.
    """
    length = shard_length(item, dtype, count)
    return length if depth == 1 else max(length, min(2 * depth, count))


def cut_shards(target: zarr.Array[Any], gaps: Sequence[slice], item_bytes: int, depth: int) -> list[slice]:
    """Cut the shards of a target that are not finished into parts of which the images take tens of megabytes.

    Args:
        target: what is written.
        gaps: of it, whole shards.
        item_bytes: what is read for a slice.
        depth: of a network's tiles; parts of one on volumes are whole shards, see ``block_length``.
    """
    left = [shard for gap in gaps for shard in shards(target, gap)]
    if depth > 1:
        return left
    step = max(AHEAD_BYTES // item_bytes, 1)
    starts = [(shard, start) for shard in left for start in range(shard.start, shard.stop, step)]
    return [slice(start, min(start + step, shard.stop)) for shard, start in starts]


class SlicesAhead:
    """Reads slices, of which the first are in memory already."""

    def __init__(self, read: ReadSlice, places: range) -> None:
        """Read the first of the places, as many as are read ahead."""
        self._read, size = read, 0
        self._held: dict[int, NDArray[Any]] = {}
        for place in places:
            if size >= AHEAD_BYTES:
                break
            self._held[place] = read(place)
            size += self._held[place].nbytes

    def __call__(self, place: int) -> NDArray[Any]:
        """Return a slice (c, y, x)."""
        return self._held[place] if place in self._held else self._read(place)


class ShardWriter:
    """Writes parts of shards that come in order, a shard at a time, when it is whole."""

    def __init__(self, targets: Sequence[zarr.Array[Any]], finish: Callable[[slice, Values], Any]) -> None:
        """Begin with no part.

        Args:
            targets: arrays with the same shards along their first axis.
            finish: told of a shard that is written, and what is in it; returns what is noted of it.
        """
        self._targets, self._finish = targets, finish
        self._shards = shards(targets[0])
        self._values: Values = []
        self._filled = 0
        self.notes: list[Any] = []
        """Of every shard that was written, in order."""

    def add(self, part: slice, values: Values) -> None:
        """Take the next part.

        Raises:
            AssertionError: it is not behind the one before, or the first of its shard is missing.
        """
        (shard,) = (shard for shard in self._shards if shard.start <= part.start < shard.stop)
        assert shard.start + self._filled == part.start < part.stop <= shard.stop, "parts must make a whole shard"
        self._filled = part.stop - shard.start
        if part == shard:
            self._values = values
        else:
            self._collect(shard, part, values)
        if part.stop < shard.stop:
            return
        for target, found in zip(self._targets, self._values, strict=True):
            target[shard] = found
        self.notes.append(self._finish(shard, self._values))
        self._values, self._filled = [], 0

    def _collect(self, shard: slice, part: slice, values: Values) -> None:
        if part.start == shard.start:
            length = shard.stop - shard.start
            self._values = [np.empty((length, *each.shape[1:]), each.dtype) for each in values]
        for whole, each in zip(self._values, values, strict=True):
            whole[part.start - shard.start : part.stop - shard.start] = each
