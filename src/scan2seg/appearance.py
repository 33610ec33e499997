"""What images look like in numbers, to tell new images that are unlike those a model was trained on.

Each is measured on windows of the size of a patch, for every channel:

- ``level``: the median grey value
- ``spread``: from the 5th to the 95th percentile
- ``noise``: the standard deviation of noise, from the median of Immerkaer's mask, which edges move little (Computer
  Vision and Image Understanding 64, 1996; the mask's own deviation is six times that of the noise)
- ``scale``: the size of structures in pixels, standard deviation over mean gradient; pixels of another size change it

What is usual is the range over the training windows. New images are unlike them where the median of their windows lies
beyond it: by more than a spread for the level, by more than a factor of two for the others.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from scan2seg.documents import Json
from scan2seg.logging import warn
from scan2seg.places import evenly
from scan2seg.windows import cut_window

MEASURES = ("level", "spread", "noise", "scale")
SAMPLE_WINDOWS = 64
"""Of the training images."""
WINDOWS_AN_IMAGE = 9
SIZE_TOLERANCE = 0.05
"""By which share pixels may be larger or smaller than in training."""
_FACTOR = 2.0
_TINY = 1e-12
_NORMAL_MEDIAN = 0.6745
"""The median of a normal variable's absolute value, in standard deviations."""


def describe_appearance(windows: Iterable[NDArray[np.float32]]) -> Json:
    """Return the range of each measure over windows (c, y, x), as ``{measure: [[low, high] of each channel]}``."""
    values = np.stack([measure_window(window) for window in windows])
    low, high = np.percentile(values, (2, 98), axis=0)
    return {name: np.stack([low[:, place], high[:, place]], axis=1).tolist() for place, name in enumerate(MEASURES)}


def measure_window(window: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the measures (c, 4) of a window (c, y, x), in the order of ``MEASURES``."""
    flat = window.reshape(window.shape[0], -1).astype(np.float64)
    first, level, last = np.percentile(flat, (5, 50, 95), axis=1)
    noise = np.array([_measure_noise(plane) for plane in window])
    scale = np.array([_measure_scale(plane) for plane in window])
    return np.stack([level, last - first, noise, scale], axis=1)


def compare_appearance(
    images: Iterable[NDArray[np.float32]], trained: Json, size: Sequence[int], judged: Sequence[str] = MEASURES
) -> list[str]:
    """Say in what images (c, y, x) are unlike the training images, with numbers; nothing where they are like them.

    Args:
        images: new images, a few of them.
        trained: what ``describe_appearance`` returned.
        size: height and width of the windows it was measured on.
        judged: the measures that count.
    """
    values = np.stack([measure_window(window) for image in images for window in cut_windows(image, size)])
    typical = np.median(values, axis=0)
    found = []
    for name in judged:
        ranges = trained[name]
        for channel, (usual, value) in enumerate(zip(ranges, typical[:, MEASURES.index(name)], strict=False)):
            low, high = usual
            if _is_unlike(name, value, low, high, spread=trained["spread"][channel][1]):
                found.append(_word(name, value, low, high, channel if len(ranges) > 1 else None))
    return found


def compare_pixel_size(size: float | None, trained: float | None) -> list[str]:
    """Say that pixels, as the model sees them, are of another size than in training; nothing where one is unknown."""
    if not size or not trained or abs(size / trained - 1) <= SIZE_TOLERANCE:
        return []
    return [f"the edge of a pixel is {size:.4g} micrometres, in training {trained:.4g}"]


def warn_of_unlike(name: str, unlike: Iterable[str]) -> None:
    """Warn of each thing that makes an input unlike the training images."""
    for difference in unlike:
        warn("%s: %s; labels may be wrong without looking wrong", name, difference)


def _is_unlike(name: str, value: float, low: float, high: float, spread: float) -> bool:
    if name == "level":
        return not low - spread <= value <= high + spread
    # noise of synthetic images is nothing, and no factor of that says anything
    floor = 0.01 * spread if name in ("noise", "spread") else _TINY
    return not low / _FACTOR - floor <= value <= high * _FACTOR + floor


def _word(name: str, value: float, low: float, high: float, channel: int | None) -> str:
    words = {
        "level": "the median grey value",
        "spread": "the range of grey values (5 to 95 %)",
        "noise": "the noise (standard deviation)",
        "scale": "the size of structures in pixels",
    }
    where = "" if channel is None else f" of channel {channel}"
    return f"{words[name]}{where} is {value:.3g}, in training {low:.3g} to {high:.3g}"


def cut_windows(image: NDArray[np.float32], size: Sequence[int]) -> Iterator[NDArray[np.float32]]:
    """Yield windows that are spread evenly over an image (c, y, x), mirrored where it is smaller as patches are."""
    count = math.isqrt(WINDOWS_AN_IMAGE)
    spare = (max(0, length - window) for window, length in zip(size, image.shape[1:], strict=True))
    for origin in product(*(evenly(places + 1, count) for places in spare)):
        yield cut_window(image, origin, size)


def _measure_noise(plane: NDArray[np.float32]) -> float:
    if min(plane.shape) < 3:
        return 0.0
    values = plane.astype(np.float64)
    rows = values[:-2] - 2 * values[1:-1] + values[2:]
    both = rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
    return float(np.median(np.abs(both))) / (6 * _NORMAL_MEDIAN)


def _measure_scale(plane: NDArray[np.float32]) -> float:
    if min(plane.shape) < 2:
        return 0.0
    down, right = np.gradient(plane.astype(np.float64))
    return float(plane.std(dtype=np.float64) / max(float(np.hypot(down, right).mean()), _TINY))
