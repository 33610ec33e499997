"""Fast gradient projection for total variation, compiled."""

from concurrent.futures import ThreadPoolExecutor

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
        dimensions: 2 for each slice on its own, on several threads; 3 for the volume as a whole, on one.
        threads: Number of threads.

    Returns:
        The denoised u, same shape.
    """
    result = np.empty(volume.shape, np.float32)
    size = 1 if dimensions == 2 else len(volume)
    parts = [slice(start, start + size) for start in range(0, len(volume), size)]

    def minimise(part: slice) -> None:
        _minimise(np.ascontiguousarray(volume[part]), result[part], np.float32(weight), iterations, dimensions)

    with ThreadPoolExecutor(max(threads, 1)) as pool:
        list(pool.map(minimise, parts))
    return result


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _minimise(noisy: Image, result: Image, weight: float, iterations: int, dimensions: int) -> None:
    """Ascend in the dual: a vector of length at most one at each voxel, whose divergence corrects the image."""
    dual = np.zeros((3, *noisy.shape), np.float32)
    ahead = np.zeros((3, *noisy.shape), np.float32)
    step = np.float32(1 / (4 * dimensions * weight))
    momentum = 1.0
    for _ in range(iterations):
        _subtract_divergence(noisy, ahead, weight, result)
        following = (1 + np.sqrt(1 + 4 * momentum * momentum)) / 2
        _ascend(result, dual, ahead, step, np.float32((momentum - 1) / following))
        momentum = following
    _subtract_divergence(noisy, dual, weight, result)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _subtract_divergence(noisy: Image, dual: Image, weight: float, result: Image) -> None:
    """Compute result = noisy + weight x divergence of the dual, the adjoint of the forward differences."""
    depth, height, width = noisy.shape
    for z in range(depth):
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
def _ascend(image: Image, dual: Image, ahead: Image, step: float, momentum: float) -> None:
    """Move the dual along the image's gradient, shorten it to one, and run ahead in the direction of the change."""
    depth, height, width = image.shape
    for z in range(depth):
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
