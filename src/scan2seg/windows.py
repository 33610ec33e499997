"""The geometry of windows: where patches and tiles lie, and how they are cut."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray


def grid_windows(image: tuple[int, int], size: tuple[int, int], stride: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """List window origins a stride apart; the last one is moved so that it ends at the edge.

    Every pixel is in some window as long as the stride is not larger than the size.
    """
    axes = []
    for length, window, step in zip(image, size, stride, strict=True):
        starts = list(range(0, max(length - window, 0) + 1, step))
        if starts[-1] + window < length:
            starts.append(length - window)
        axes.append(starts)
    for row in axes[0]:
        for column in axes[1]:
            yield row, column


def cut_window(
    pixels: NDArray[Any], origin: tuple[int, int], size: tuple[int, int], fill: int | None = None
) -> NDArray[Any]:
    """Cut a window from the last two axes; what lies beyond the image is mirrored, or filled with a value."""
    row, column = origin
    window = pixels[..., row : row + size[0], column : column + size[1]]
    missing = [size[axis] - window.shape[axis - 2] for axis in (0, 1)]
    if not any(missing):
        return window
    pad = [(0, 0)] * (pixels.ndim - 2) + [(0, missing[0]), (0, missing[1])]
    if fill is not None:
        return np.pad(window, pad, constant_values=fill)
    return np.pad(window, pad, mode="symmetric")
