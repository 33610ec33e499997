"""Filters that look at a box around each voxel, compiled; one row of voxels after the other, on several threads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Image = NDArray[np.float32]

_ROWS = 32


def filter_windows(
    kernel: Callable[..., None], volume: Image, reach: tuple[int, int, int], arguments: tuple[Any, ...], threads: int
) -> Image:
    """Apply ``kernel(padded, rows, z, y, reach, *arguments)`` to all rows of a volume (z, y, x).

    The kernel fills rows of the result, (y, x), from the volume mirrored beyond its edges by the reach; z and y are the
    place of the first.
    """
    padded = np.pad(volume, [(length, length) for length in reach], "reflect")
    result = np.empty(volume.shape, np.float32)

    def filter_rows(place: tuple[int, int]) -> None:
        kernel(padded, result[place[0], place[1] : place[1] + _ROWS], *place, reach, *arguments)

    with ThreadPoolExecutor(max(threads, 1)) as pool:
        list(pool.map(filter_rows, product(range(len(volume)), range(0, volume.shape[1], _ROWS))))
    return result


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def median_rows(padded: Image, rows: Image, z: int, y: int, reach: tuple[int, int, int]) -> None:
    """Take the median of each box."""
    count = (2 * reach[0] + 1) * (2 * reach[1] + 1) * (2 * reach[2] + 1)
    values = np.empty(count, np.float32)
    for row in range(rows.shape[0]):
        for column in range(rows.shape[1]):
            place = 0
            for i in range(2 * reach[0] + 1):
                for j in range(2 * reach[1] + 1):
                    for k in range(2 * reach[2] + 1):
                        values[place] = padded[z + i, y + row + j, column + k]
                        place += 1
            rows[row, column] = _middle(values)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _middle(values: Image) -> np.float32:
    """Return the median of an odd number of values, which end up in another order (Hoare's selection)."""
    first, last, middle = 0, len(values) - 1, len(values) // 2
    while first < last:
        pivot, low, high = values[middle], first, last
        while low <= high:
            while values[low] < pivot:
                low += 1
            while pivot < values[high]:
                high -= 1
            if low <= high:
                values[low], values[high] = values[high], values[low]
                low += 1
                high -= 1
        if high < middle:
            first = low
        if middle < low:
            last = high
    return np.float32(values[middle])


@njit(nogil=True, cache=True, fastmath=True)  # type: ignore[untyped-decorator]
def bilateral_rows(
    padded: Image, rows: Image, z: int, y: int, reach: tuple[int, int, int], near: Image, alike: float
) -> None:
    """Average each box with weights ``near`` (z, y, x) times exp(-alike x squared difference)."""
    width = rows.shape[1]
    total, norm = np.empty(width, np.float32), np.empty(width, np.float32)
    for row in range(rows.shape[0]):
        total[:] = 0
        norm[:] = 0
        own = padded[z + reach[0], y + row + reach[1]]
        for i in range(near.shape[0]):
            for j in range(near.shape[1]):
                line = padded[z + i, y + row + j]
                for k in range(near.shape[2]):
                    for column in range(width):
                        difference = line[column + k] - own[column + reach[2]]
                        weight = near[i, j, k] * np.exp(-alike * difference * difference)
                        norm[column] += weight
                        total[column] += weight * line[column + k]
        for column in range(width):
            rows[row, column] = total[column] / norm[column]
