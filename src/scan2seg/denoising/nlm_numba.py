"""Non-local means on the processor, compiled: every shift of the search window in one pass over rows in cache.

The formula is that of scikit-image's fast mode (Darbon, Cunha, Chan, Osher, Jensen, "Fast nonlocal filtering applied
to electron cryomicroscopy", ISBI 2008; Froment, IPOL 2014): uniform patches, squared differences minus twice the noise
variance, weights exp(-distance), none beyond a distance of 5. It needs numpy and numba alone.
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Literal

import numba
import numpy as np
from numba import njit
from numpy.typing import NDArray

Image = NDArray[np.float32]

numba.config.SLP_VECTORIZE = 1
# A block's working rows fit the first-level cache, its image and sums the second.
_BLOCK_ROWS, _BLOCK_COLUMNS = 64, 512


def non_local_means(
    volume: Image,
    h: float,
    noise: float = 0.0,
    patch_size: int = 5,
    patch_distance: int = 6,
    dimensions: Literal[2, 3] = 2,
    window: Literal["full", "scikit-image"] = "full",
    threads: int = 1,
) -> Image:
    """Average each voxel with those of its surroundings whose own surroundings look alike.

    Args:
        volume: Finite values, (z, y, x).
        h: Filter strength: the root mean square difference of patches at which a weight falls to 1/e.
        noise: Standard deviation of the noise, whose share of patch distances is subtracted.
        patch_size: Edge of a patch, odd; ``patch_distance``: how far, along each axis, patches are looked for.
        dimensions: 2 for each slice on its own, 3 for patches and search across slices.
        window: ``full`` patches, or ``scikit-image`` for the results of its fast mode: patches lack the first row,
            column and plane though the distance is divided by all their voxels, and weights are off by up to 6 %.
        threads: Number of threads; the result does not depend on it.

    Returns:
        The denoised volume, same shape; mirrored beyond its edges.
    """
    half = patch_size // 2
    first, across = -half if window == "full" else 1 - half, dimensions == 3
    margin = half + patch_distance
    padded = np.pad(
        volume.astype(np.float32, copy=False), ((margin * across,) * 2, (margin,) * 2, (margin,) * 2), "reflect"
    )
    factor = 1 / max(h * h * patch_size**dimensions, 1e-30)
    scale, subtracted = np.float32(factor), np.float32(2 * noise**2 * (half - first + 1) ** dimensions * factor)
    result = np.empty(volume.shape, np.float32)

    def denoise_block(place: tuple[int, int, int]) -> None:
        plane, y, x = place
        block = result[plane, y : y + _BLOCK_ROWS, x : x + _BLOCK_COLUMNS]
        planes = padded[plane : plane + 2 * margin + 1] if across else padded[plane : plane + 1]
        surroundings = planes[:, y : y + block.shape[0] + 2 * margin, x : x + block.shape[1] + 2 * margin]
        # Contiguous, or the compiler cannot use vector instructions.
        surroundings = np.ascontiguousarray(surroundings)
        _denoise_block(surroundings, block, first, half, patch_distance, scale, subtracted, window != "full")

    # Blocks are the same whatever the number of threads, and so is the order of every sum.
    starts = (range(volume.shape[0]), range(0, volume.shape[1], _BLOCK_ROWS), range(0, volume.shape[2], _BLOCK_COLUMNS))
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        list(pool.map(denoise_block, product(*starts)))
    return result


@njit(nogil=True, cache=True, fastmath=True, boundscheck=False)  # type: ignore[untyped-decorator]
def _denoise_block(
    image: Image, block: Image, first: int, last: int, distance: int, scale: float, subtracted: float, roughly: bool
) -> None:
    """Denoise one block of one plane; the image is the block with a margin of last + distance on every side.

    Within the plane, a shift and its opposite have the same weights, so that each is computed once and used twice.
    """
    height, width = block.shape
    margin, window = last + distance, last - first + 1
    middle = len(image) // 2
    squares = np.empty((window, width + distance + window), np.float32)
    columns, weights = np.empty(width + distance + window, np.float32), np.empty(width + distance, np.float32)
    total, norm = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    planes = min(distance, middle)
    for dz in range(-planes, planes + 1):
        for dy in range(0 if dz == 0 else -distance, distance + 1):
            for dx in range(0 if dz == 0 and dy == 0 else -distance, distance + 1):
                twice = dz == 0 and (dy > 0 or dx > 0)
                top, left = (-dy, min(0, -dx)) if twice else (0, 0)
                length = width + abs(dx) if twice else width
                for line in range(height - top + window - 1):
                    y = top + line + first + margin
                    x = left + first + margin
                    row = squares[line % window, : length + window - 1]
                    _square_differences(image, row, middle, y, x, dz, dy, dx, first, last)
                    if line < window - 1:
                        continue
                    _sum_window(squares, columns, weights[:length])
                    if roughly:
                        _weigh_roughly(weights[:length], scale, subtracted)
                    else:
                        _weigh(weights[:length], scale, subtracted)
                    target = top + line - window + 1
                    if target >= 0:
                        values = image[middle + dz, target + dy + margin, dx + margin : dx + margin + width]
                        _accumulate(weights[-left : width - left], values, total[target], norm[target])
                    if twice and target + dy < height:
                        values = image[middle, target + margin, margin - dx : margin - dx + width]
                        start = -dx - left
                        _accumulate(weights[start : start + width], values, total[target + dy], norm[target + dy])
    for y in range(height):
        for x in range(width):
            block[y, x] = total[y, x] / norm[y, x]


@njit(nogil=True, cache=True, fastmath=True, boundscheck=False)  # type: ignore[untyped-decorator]
def _square_differences(
    image: Image, squares: Image, middle: int, y: int, x: int, dz: int, dy: int, dx: int, first: int, last: int
) -> None:
    """Square the differences of one row to its shifted self, summed over the planes of a patch."""
    length = len(squares)
    low, high = (first, last) if middle > 0 else (0, 0)
    here, there = image[middle + low, y, x : x + length], image[middle + low + dz, y + dy, x + dx : x + dx + length]
    for column in range(length):
        squares[column] = (here[column] - there[column]) ** 2
    for z in range(middle + low + 1, middle + high + 1):
        here, there = image[z, y, x : x + length], image[z + dz, y + dy, x + dx : x + dx + length]
        for column in range(length):
            squares[column] += (here[column] - there[column]) ** 2


@njit(nogil=True, cache=True, fastmath=True, boundscheck=False)  # type: ignore[untyped-decorator]
def _sum_window(squares: Image, columns: Image, patches: Image) -> None:
    """Sum over a square window: first down the rows, then along them, whole rows at a time.

    Five and four rows, the default patch's, are written out: one pass instead of four.
    """
    window, width = len(squares), len(patches)
    length = width + window - 1
    down = columns[:length]
    if window == 5:
        _add_five(squares[0], squares[1], squares[2], squares[3], squares[4], down)
        _add_five(down, down[1:], down[2:], down[3:], down[4:], patches)
    elif window == 4:
        _add_four(squares[0], squares[1], squares[2], squares[3], down)
        _add_four(down, down[1:], down[2:], down[3:], patches)
    else:
        down[:] = 0
        patches[:] = 0
        for line in range(window):
            _add(squares[line], down)
        for shift in range(window):
            _add(down[shift:], patches)


@njit(nogil=True, cache=True, fastmath=True, boundscheck=False)  # type: ignore[untyped-decorator]
def _add_five(a: Image, b: Image, c: Image, d: Image, e: Image, total: Image) -> None:
    for column in range(len(total)):
        total[column] = (a[column] + b[column]) + (c[column] + d[column]) + e[column]


@njit(nogil=True, cache=True, fastmath=True, boundscheck=False)  # type: ignore[untyped-decorator]
def _add_four(a: Image, b: Image, c: Image, d: Image, total: Image) -> None:
    for column in range(len(total)):
        total[column] = (a[column] + b[column]) + (c[column] + d[column])


@njit(nogil=True, cache=True, fastmath=True, boundscheck=False)  # type: ignore[untyped-decorator]
def _add(row: Image, total: Image) -> None:
    for column in range(len(total)):
        total[column] += row[column]


@njit(nogil=True, cache=True, fastmath=True, boundscheck=False)  # type: ignore[untyped-decorator]
def _weigh(patches: Image, scale: float, subtracted: float) -> None:
    """Turn summed squares into weights exp(-distance), in place; none beyond a distance of 5."""
    for column in range(len(patches)):
        distance = max(patches[column] * scale - subtracted, np.float32(0))
        # exp(-d) as the eighth power of a polynomial for exp(-d / 8), to 2e-5: it vectorises, a call does not.
        small = distance * np.float32(0.125)
        weight = np.float32(0.03060824)
        weight = weight * small - np.float32(0.16094221)
        weight = weight * small + np.float32(0.49875359)
        weight = weight * small - np.float32(0.99990372)
        weight = weight * small + np.float32(0.99999880)
        weight *= weight
        weight *= weight
        weight *= weight
        patches[column] = weight if distance <= np.float32(5) else np.float32(0)


@njit(nogil=True, cache=True, fastmath=True, boundscheck=False)  # type: ignore[untyped-decorator]
def _weigh_roughly(patches: Image, scale: float, subtracted: float) -> None:
    """Turn summed squares into weights as scikit-image does, in place.

    It takes exp(x) to be linear between powers of two (Schraudolph, "A fast, compact approximation of the exponential
    function", Neural Computation 1999): x / log 2 is written into the exponent's bits of a floating-point number.
    """
    slope, origin = np.float32(2**23 / np.log(2.0)), np.float32(2**23 * (127 - 60801 / 2**20))
    for column in range(len(patches)):
        distance = max(patches[column] * scale - subtracted, np.float32(0))
        weight = np.int32(origin - slope * min(distance, np.float32(6))).view(np.float32)
        patches[column] = weight if distance <= np.float32(5) else np.float32(0)


@njit(nogil=True, cache=True, fastmath=True, boundscheck=False)  # type: ignore[untyped-decorator]
def _accumulate(weights: Image, values: Image, total: Image, norm: Image) -> None:
    for column in range(len(total)):
        norm[column] += weights[column]
        total[column] += weights[column] * values[column]
