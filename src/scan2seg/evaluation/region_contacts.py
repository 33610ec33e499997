"""Where regions of slices meet, one step between neighbours at a time, compiled: it is done for every voxel."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Plane = NDArray[Any]


@njit(nogil=True, cache=True, boundscheck=False)  # type: ignore[untyped-decorator]
def count_contacts(
    first: Plane, second: Plane, classes: Plane, others: Plane, down: int, right: int,
    crossings: Plane, other_crossings: Plane, links: Plane,
) -> int:  # fmt: skip
    """Compare each voxel of a slice with the one that lies a step further in the same slice or in the next.

    Args:
        first: regions (y, x) from 1; 0 is none.
        second: those of the other slice.
        classes: of the voxels (y, x); those without one have a number of their own.
        others: of the other slice.
        down: rows from a voxel to its neighbour.
        right: columns.
        crossings: for each region of the first slice, to which is added how many neighbours have another class.
        other_crossings: the same of the second slice.
        links: to which regions of one class that touch are written (n, 2), each as often as it begins in a row;
            as long as there are voxels, or empty where links do not matter.

    Returns:
        The number of links.
    """
    count = 0
    height, width = first.shape
    for row in range(max(0, -down), height - max(0, down)):
        last, other_last = 0, 0
        for column in range(max(0, -right), width - max(0, right)):
            region, other = first[row, column], second[row + down, column + right]
            if classes[row, column] != others[row + down, column + right]:
                crossings[region] += 1
                other_crossings[other] += 1
            elif len(links) and region and other and (region != last or other != other_last):
                links[count, 0] = last = region
                links[count, 1] = other_last = other
                count += 1
    return count


def unique_links(links: NDArray[np.int64], regions: int) -> NDArray[np.int64]:
    """Return each pair (n, 2) once; the second ones are below ``regions``."""
    keys = np.unique(links[:, 0] * regions + links[:, 1])
    return np.stack([keys // regions, keys % regions], axis=1)
