"""Images by themselves: less their own mean, over their own standard deviation."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def measure_images(read: Callable[[range], NDArray[np.float32]], images: range) -> NDArray[np.float32]:
    """Return mean and standard deviation (2, c) of an image, or of all slices of a volume; of a flat one 1.

    Args:
        read: reads consecutive images in their true size, (c, z, y, x), one at a time here.
        images: which.
    """
    count, mean, squares = 0, np.float64(0), np.float64(0)
    for index in images:
        pixels = read(range(index, index + 1)).astype(np.float64)
        size, own = pixels[0].size, pixels.mean(axis=(1, 2, 3))
        # Chan, Golub and LeVeque 1979: sums of squares of parts, without cancellation
        gap = own - mean
        squares = squares + pixels.var(axis=(1, 2, 3)) * size + gap**2 * count * size / (count + size)
        mean = mean + gap * size / (count + size)
        count += size
    deviation = np.sqrt(squares / count)
    flat = deviation <= 1e-6 * np.abs(mean) + 1e-30
    return np.stack([mean, np.where(flat, 1.0, deviation)]).astype(np.float32)


def standardise(pixels: NDArray[np.float32], statistics: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an image (c, ...) minus its mean, by its standard deviation; the statistics are ``measure_images``'."""
    mean, deviation = (part.reshape(-1, *(1,) * (pixels.ndim - 1)) for part in statistics)
    normalised: NDArray[np.float32] = (pixels - mean) / deviation
    return normalised


def standardise_alone(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an image (c, z, y, x) minus its own mean, by its own standard deviation."""
    return standardise(pixels, measure_images(lambda _: pixels, range(1)))
