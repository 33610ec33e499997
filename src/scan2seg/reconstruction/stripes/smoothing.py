"""Filters that the stripe removal methods share. Imported only when one runs."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.device import limit_libraries
from scan2seg.reconstruction.jit import compiled

Image = NDArray[np.float32]


def over_rows(work: Callable[[Image], None], sinograms: Image, threads: int) -> Image:
    """Apply a function that changes one sinogram in place to all of them; the same result for any number of threads."""
    # products of matrices would be added up by as many threads as the variables of the shell say
    with limit_libraries(1, "blas"), ThreadPoolExecutor(max(threads, 1)) as pool:
        list(pool.map(work, sinograms))
    return sinograms


@lru_cache(maxsize=4)
def low_pass_matrices(projections: int, sigma: float) -> tuple[Image, Image, Image]:
    """Return a Gaussian low-pass along the angle, as three small matrices.

    ``analysis`` (terms, projections) gives the cosine series' damped coefficients, ``synthesis`` (points, terms) the
    smooth signal at a few evenly spaced angles, where it is fully known, and ``interpolation`` (projections, points)
    takes something as smooth from these to all angles. Reflection at both ends is what a cosine series means.
    """
    terms = min(projections, int(np.ceil(8 * sigma)) + 1)
    points = min(projections, 4 * terms)
    order = np.arange(terms)
    every = (np.arange(projections) + 0.5) / projections
    few = (np.arange(points) + 0.5) / points
    norm = np.where(order == 0, 1.0, 2.0)[:, None] / projections
    # A cosine of order k has k / 2 periods in the scan: sigma counts whole ones, as in the paper.
    damping = np.exp(-0.5 * (order / 2 / sigma) ** 2)[:, None]
    analysis = norm * damping * np.cos(np.pi * order[:, None] * every)
    synthesis = np.cos(np.pi * few[:, None] * order)
    place = np.clip(every * points - 0.5, 0, points - 1)
    left = np.minimum(place.astype(int), max(points - 2, 0))
    interpolation = np.zeros((projections, points))
    rows = np.arange(projections)
    interpolation[rows, left] += 1 - (place - left)
    interpolation[rows, np.minimum(left + 1, points - 1)] += place - left
    return analysis.astype(np.float32), synthesis.astype(np.float32), interpolation.astype(np.float32)


def sorted_median_across(image: Image, size: int) -> Image:
    """Take the median over ``size`` columns of values of the same rank, and put each back where it came from.

    Columns that differ by a stripe hold the same values in the same order, so that ranks compare like with like even
    where the specimen's shadow slants.
    """
    order = np.argsort(image, axis=0, kind="stable")
    smoothed = median_across(np.take_along_axis(image, order, axis=0), size)
    result = np.empty_like(image)
    np.put_along_axis(result, order, smoothed, axis=0)
    return result


def median_across(image: Image, size: int) -> Image:
    """Take the running median over ``size`` columns (made odd), reflected at both ends."""
    half = min(size // 2, image.shape[1] - 1)
    result = np.empty_like(image)
    _median_rows(np.pad(image, ((0, 0), (half, half)), mode="reflect"), half, result)
    return result


@compiled
def _median_rows(padded: Any, half: int, result: Any) -> None:
    """Keep the window sorted: one value leaves and one enters at each step."""
    size = 2 * half + 1
    window = np.empty(size, padded.dtype)
    for row in range(result.shape[0]):
        window[:] = np.sort(padded[row, :size])
        result[row, 0] = window[half]
        for column in range(1, result.shape[1]):
            old = padded[row, column - 1]
            new = padded[row, column + size - 1]
            at = np.searchsorted(window, old)
            while at + 1 < size and window[at + 1] < new:
                window[at] = window[at + 1]
                at += 1
            while at > 0 and window[at - 1] > new:
                window[at] = window[at - 1]
                at -= 1
            window[at] = new
            result[row, column] = window[half]


def usual_size(columns: int) -> int:
    """Return the median's width that suits a detector: a fiftieth of its columns, odd, from 5 to 41."""
    return int(np.clip(columns // 50, 5, 41)) | 1


def stands_out(profile: NDArray[np.float64], ratio: float) -> NDArray[np.bool_]:
    """Find columns whose value stands out from the usual spread of the sorted values, and widen them by one.

    The usual spread is the line through the middle half of the sorted profile (algorithm 4 of the paper).
    """
    ordered = np.sort(profile)[::-1]
    count = len(ordered)
    place = np.arange(count)
    quarter = slice(count // 4, max(count - count // 4, count // 4 + 2))
    if count < 8:
        return np.zeros(count, bool)
    slope, level = np.polyfit(place[quarter], ordered[quarter], 1)
    top, bottom = level, slope * (count - 1) + level
    noise = max(abs(top - bottom), 1e-6)
    found = np.zeros(count, bool)
    if abs(ordered[0] - top) / noise > ratio:
        found |= profile > top + 0.5 * ratio * noise
    if abs(ordered[-1] - bottom) / noise > ratio:
        found |= profile < bottom - 0.5 * ratio * noise
    return found | np.roll(found, 1) | np.roll(found, -1)


def replace_unresponsive(sinogram: Image, ratio: float, size: int) -> None:
    """Interpolate, in place, columns that hardly change over the angle, or change wildly (algorithm 6)."""
    from scipy.ndimage import uniform_filter1d

    rough = np.abs(sinogram - uniform_filter1d(sinogram, 10, axis=0)).sum(axis=0, dtype=np.float64)
    usual = median_across(rough[None].astype(np.float32), size)[0]
    found = stands_out(np.divide(rough, usual, out=np.ones_like(rough), where=usual > 0), ratio)
    good = np.flatnonzero(~found)
    if found.any() and len(good) > 1:
        columns = np.flatnonzero(found)
        right = np.clip(np.searchsorted(good, columns), 1, len(good) - 1)
        left = right - 1
        part = np.clip((columns - good[left]) / (good[right] - good[left]), 0, 1).astype(np.float32)
        sinogram[:, columns] = sinogram[:, good[left]] * (1 - part) + sinogram[:, good[right]] * part


def reduce_large(sinogram: Image, ratio: float, size: int, dropped: float = 0.1) -> None:
    """Reduce wide stripes in place: columns whose sorted values' mean stands out take those of their median (5)."""
    order = np.argsort(sinogram, axis=0, kind="stable")
    ordered = np.take_along_axis(sinogram, order, axis=0)
    smoothed = median_across(ordered, size)
    drop = int(dropped * len(sinogram))
    kept = slice(drop, max(len(sinogram) - drop, drop + 1))
    mean, usual = ordered[kept].mean(axis=0, dtype=np.float64), smoothed[kept].mean(axis=0, dtype=np.float64)
    factor = np.divide(mean, usual, out=np.ones_like(mean), where=usual != 0)
    found = stands_out(factor, ratio)
    if found.any():
        result = np.empty_like(sinogram)
        np.put_along_axis(result, order, smoothed, axis=0)
        sinogram[:, found] = result[:, found]
