"""The geometry of windows of any number of axes: where patches and tiles lie, and how they are cut."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray


def window_starts(length: int, window: int, step: int) -> list[int]:
    """List where windows of one axis start, a step apart; the last one is moved so that it ends at the edge.

    Every place is in some window as long as the step is not larger than the window.
    """
    starts = list(range(0, max(length - window, 0) + 1, step))
    if starts[-1] + window < length:
        starts.append(length - window)
    return starts


def grid_windows(image: Sequence[int], size: Sequence[int], stride: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """List window origins a stride apart along each axis, the last axis fastest."""
    return product(*(window_starts(*axis) for axis in zip(image, size, stride, strict=True)))


def cut_window(
    pixels: NDArray[Any], origin: Sequence[int], size: Sequence[int], fill: int | None = None
) -> NDArray[Any]:
    """Cut a window from the last axes; what lies beyond the image is mirrored, or filled with a value."""
    inside: Any = (..., *(slice(start, start + length) for start, length in zip(origin, size, strict=True)))
    window: NDArray[Any] = pixels[inside]
    missing = [length - found for length, found in zip(size, window.shape[-len(size) :], strict=True)]
    if not any(missing):
        return window
    pad = [(0, 0)] * (pixels.ndim - len(size)) + [(0, length) for length in missing]
    if fill is not None:
        return np.pad(window, pad, constant_values=fill)
    return np.pad(window, pad, mode="symmetric")
