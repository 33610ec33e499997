"""The smallest type that holds the grey values of images exactly."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

TYPES: Sequence[np.dtype[Any]] = [np.dtype(name) for name in ("uint8", "uint16", "int16", "float32")]
"""From the smallest to the one that holds everything that is read."""


class TooNarrowError(Exception):
    """A type does not hold the values of an image; ``wider`` holds those, and all that it holds."""

    def __init__(self, wider: np.dtype[Any]) -> None:
        """Keep the type to take instead."""
        super().__init__(f"needs {wider}")
        self.wider = wider


def find_type(pixels: NDArray[np.float32], least: np.dtype[Any] = TYPES[0]) -> np.dtype[Any]:
    """Return the first of the types that holds the values exactly, and all that ``least`` holds."""
    low, high = (float(pixels.min()), float(pixels.max())) if pixels.size else (0.0, 0.0)
    whole: bool | None = None
    for kind in TYPES[:-1]:
        limits = np.iinfo(kind)
        if np.can_cast(least, kind) and limits.min <= low and high <= limits.max:
            whole = bool(np.array_equal(pixels, np.rint(pixels))) if whole is None else whole
            if whole:
                return kind
    return TYPES[-1]


def store_as(pixels: NDArray[np.float32], kind: np.dtype[Any]) -> NDArray[Any]:
    """Return the values in a type.

    Raises:
        TooNarrowError: it does not hold them.
    """
    wider = find_type(pixels, kind)
    if wider != kind:
        raise TooNarrowError(wider)
    return pixels.astype(kind)
