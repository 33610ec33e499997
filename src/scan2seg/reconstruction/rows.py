"""Rows of all projections, one slab after the other, from files that may be stored in pieces of many rows."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg import logging
from scan2seg.ownership import is_owned
from scan2seg.readers.scan import Frames, Scan, Selection
from scan2seg.replacement import reserve, scratch

_WRITE_BYTES = 256 * 2**20
MOST_READS = 2
"""A compressed piece of a file is decoded so often at most; where slabs would need it more often, a copy is read."""


class Rows:
    """Reads rows in order, as many at once as a stored piece has; what it read last is kept for the next."""

    def __init__(self, scan: Scan, at_once: int) -> None:
        """Read at least ``at_once`` rows of the scan each time."""
        self._scan, self._at_once = scan, at_once
        self._block: NDArray[Any] = np.empty((0, 0, 0))
        self._start = self._stop = 0

    def read(self, rows: slice) -> NDArray[Any]:
        """Return rows of all projections, (projections, rows, columns)."""
        start, stop = rows.start, rows.stop
        if not self._start <= start < stop <= self._stop:
            self._start, self._stop = start, min(max(stop, start + self._at_once), self._scan.shape[1])
            self._block = self._scan.read_rows(self._start, self._stop)
        return self._block[:, start - self._start : stop - self._start]


@contextmanager
def readable_by_rows(scan: Scan, rows: slice, at_once: int, output: Path) -> Iterator[Scan]:
    """Yield the scan, or a copy of it on disk where reading it row by row would decode all of it again and again.

    That is so where each file is one projection, or each compressed chunk, and memory does not hold all of them. The
    copy lies beside the output while it is needed, rows first, not compressed.

    Args:
        scan: any.
        rows: those that will be read.
        at_once: how many at a time.
        output: the store that is being written.

    Raises:
        OSError: the disk is full.
    """
    needed = max(rows.stop - rows.start, 0)
    copied = min(scan.projections.rows_per_read, needed) > MOST_READS * at_once
    # asked for even where none is needed: an earlier try, of less memory, may have left one
    with scratch(output.with_name(f"{output.name}-rows"), alone=is_owned(output)) as path:
        yield replace(scan, projections=_copy(scan, rows, path)) if copied else scan


def _copy(scan: Scan, rows: slice, path: Path) -> Frames:
    """Write all projections to a file (rows, projections, columns), some at a time."""
    count, _, columns = scan.shape
    first = scan.read_images(slice(0, 1), rows)
    dtype, height = first.dtype, rows.stop - rows.start
    logging.info("%s: its rows are copied to %s while it is read", scan.path.name, path.parent)
    reserve(path, height * count * columns * dtype.itemsize)
    line = columns * dtype.itemsize
    at_once = max(1, _WRITE_BYTES // first.nbytes)
    with path.open("r+b") as file:
        for start in logging.progress(range(0, count, at_once), "read"):
            images = scan.read_images(slice(start, min(start + at_once, count)), rows)
            for row in range(height):
                file.seek((row * count + start) * line)
                file.write(images[:, row].tobytes())

    return Frames(scan.shape, RowsCopy(path, rows, (count, columns), dtype))


@dataclass(frozen=True)
class RowsCopy:
    """Reads from the file of a copy, in this process or in another."""

    path: Path
    rows: slice
    """Those of the scan that it holds."""
    row_shape: tuple[int, int]
    """(projections, columns)."""
    dtype: np.dtype[Any]

    def __call__(self, images: Selection, wanted: slice) -> NDArray[Any]:
        """Return rows of some projections, (projections, rows, columns)."""
        length, size = wanted.stop - wanted.start, math.prod(self.row_shape)
        offset = (wanted.start - self.rows.start) * size * self.dtype.itemsize
        values = np.fromfile(self.path, self.dtype, length * size, offset=offset)
        return values.reshape(length, *self.row_shape).transpose(1, 0, 2)[images]
