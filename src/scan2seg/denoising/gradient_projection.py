"""Fast gradient projection for total variation, compiled."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numba import njit
from numpy.typing import NDArray

Image = NDArray[np.float32]


def total_variation(volume: Image, weight: float, iterations: int, dimensions: int, threads: int) -> Image:
    """Minimise ``|u - f|^2 / 2 + weight x TV(u)``, where TV sums the lengths of the forward differences.

    Args:
        volume: The noisy f, (z, y, x).
        weight: In the unit of f.
        iterations: Number of steps, always all of them, so that slabs agree.
        dimensions: 2 for each slice on its own; 3 for gradients across slices too.
        threads: Number of threads.

    Returns:
        The denoised u, same shape.
    """
    result = np.empty(volume.shape, np.float32)
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        if dimensions == 3:
            _minimise(
                volume, result, weight, iterations, dimensions, lambda work: list(pool.map(work, range(len(volume))))
            )
            return result

        def minimise(z: int) -> None:
            _minimise(volume[z : z + 1], result[z : z + 1], weight, iterations, dimensions, lambda work: work(0))

        list(pool.map(minimise, range(len(volume))))
    return result


def _minimise(
    noisy: Image,
    result: Image,
    weight: float,
    iterations: int,
    dimensions: int,
    over_slices: Callable[[Callable[[int], None]], object],
) -> None:
    """Ascend in the dual: a vector of length at most one at each voxel, whose divergence corrects the image.

    In each half of a step a slice writes to itself alone and reads what the other half has written, so that
    ``over_slices`` may call its function for all slices at once.
    """
    noisy = np.ascontiguousarray(noisy)
    dual = np.zeros((3, *noisy.shape), np.float32)
    ahead = np.zeros((3, *noisy.shape), np.float32)
    factor, step = np.float32(weight), np.float32(1 / (4 * dimensions * np.float32(weight)))
    momentum = 1.0
    for _ in range(iterations):
        over_slices(partial(_subtract_divergence, noisy, ahead, factor, result))
        following = (1 + np.sqrt(1 + 4 * momentum * momentum)) / 2
        over_slices(partial(_ascend, result, dual, ahead, step, np.float32((momentum - 1) / following)))
        momentum = following
    over_slices(partial(_subtract_divergence, noisy, dual, factor, result))


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _subtract_divergence(noisy: Image, dual: Image, weight: float, result: Image, z: int) -> None:
    """Compute a slice of noisy + weight x divergence of the dual, the adjoint of the forward differences."""
    _, height, width = noisy.shape
    for y in range(height):
        for x in range(width):
            change = dual[0, z, y, x] + dual[1, z, y, x] + dual[2, z, y, x]
            if z > 0:
                change -= dual[0, z - 1, y, x]
            if y > 0:
                change -= dual[1, z, y - 1, x]
            if x > 0:
                change -= dual[2, z, y, x - 1]
            result[z, y, x] = noisy[z, y, x] + weight * change


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _ascend(image: Image, dual: Image, ahead: Image, step: float, momentum: float, z: int) -> None:
    """Move the dual of a slice along the image's gradient, shorten it to one, and run ahead along the change."""
    depth, height, width = image.shape
    for y in range(height):
        for x in range(width):
            value = image[z, y, x]
            down = ahead[0, z, y, x] + (step * (image[z + 1, y, x] - value) if z + 1 < depth else np.float32(0))
            along = ahead[1, z, y, x] + (step * (image[z, y + 1, x] - value) if y + 1 < height else np.float32(0))
            across = ahead[2, z, y, x] + (step * (image[z, y, x + 1] - value) if x + 1 < width else np.float32(0))
            scale = np.float32(1) / max(np.float32(1), np.sqrt(down * down + along * along + across * across))
            for axis, new in enumerate((down * scale, along * scale, across * scale)):
                ahead[axis, z, y, x] = new + momentum * (new - dual[axis, z, y, x])
                dual[axis, z, y, x] = new
