"""Whether a volume looks as the images that a model was trained on: pixel size and range of grey values."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.appearance import compare_pixel_size
from scan2seg.places import evenly
from scan2seg.storage import open_store

_SAMPLE_SLICES = 8
_RANGE_FACTOR = 3.0
"""Other specimens may well differ in contrast; other units, or data scaled to a type's range, differ by more."""


def compare_with_training(volume: Path, stack: Path) -> Iterator[str]:
    """Say in what a volume is unlike the stack of the training images, from attributes and a few slices of both."""
    new, trained = open_store(volume), open_store(stack)
    sizes: list[Any] = [group.attrs.get("pixel_size") for group in (new, trained)]
    yield from compare_pixel_size(*sizes)
    if trained["image"].shape[1] != 1:  # type: ignore[union-attr]
        return
    (low, middle, high), (first, _, last) = _levels(new["volume"]), _levels(trained["image"])
    spread, usual = high - low, last - first
    if (
        not first - usual <= middle <= last + usual
        or not 1 / _RANGE_FACTOR <= spread / max(usual, 1e-30) <= _RANGE_FACTOR
    ):
        yield f"grey values lie from {low:.3g} to {high:.3g}, in training from {first:.3g} to {last:.3g}"


def _levels(array: Any) -> NDArray[np.float64]:
    """Return the percentiles 1, 50 and 99 of the values other than 0, which pads images and surrounds slices."""
    chosen = evenly(array.shape[0], _SAMPLE_SLICES)
    values = np.concatenate([np.asarray(array[index], np.float32)[..., ::2, ::2].ravel() for index in chosen])
    values = values[np.isfinite(values) & (values != 0)]
    return np.percentile(values if values.size else np.zeros(1), (1, 50, 99))
