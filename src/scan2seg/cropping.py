"""The part of an image that holds most foreground."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from scan2seg.ignore import IGNORE

Pixels = TypeVar("Pixels", bound=np.generic)


def crop_to_foreground(
    pixels: NDArray[Pixels], label: NDArray[Any], size: tuple[int, int]
) -> tuple[NDArray[Pixels], NDArray[Any]]:
    """Cut from an image (c, y, x) and its label (y, x) the window that holds most pixels of any class but the first.

    Of equal windows it is the first, row by row; where no window holds any, the middle one.

    Args:
        pixels: the image.
        label: class indices, 255 for unknown.
        size: height and width of the window, at most those of the image.
    """
    height, width = size
    sums = np.zeros((label.shape[0] + 1, label.shape[1] + 1), np.int64)
    sums[1:, 1:] = ((label != 0) & (label != IGNORE)).cumsum(0).cumsum(1)
    held = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    row, column = (int(place) for place in np.unravel_index(held.argmax(), held.shape))
    if not held[row, column]:
        row, column = (length // 2 for length in (held.shape[0] - 1, held.shape[1] - 1))
    window = (slice(row, row + height), slice(column, column + width))
    return pixels[:, *window], label[window]
