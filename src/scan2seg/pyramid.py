"""Coarser levels of a volume in its store, each half as fine, so that viewers open it at once (OME-NGFF 0.5)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from scan2seg.storage import create_array, shards

SMALLEST = 256
"""No level is made of one whose longest axis is this long or shorter."""


def add_levels(group: zarr.Group, name: str) -> None:
    """Add coarser levels to a volume that is written already; see ``Pyramid``. A few shards are in memory."""
    volume: Any = group[name]
    pyramid = Pyramid(group, name)
    for shard in shards(volume) if pyramid.levels else []:
        pyramid.add(np.asarray(volume[shard]))


class Pyramid:
    """The coarser levels of a volume, made from its slices while it is written, until one fits into 256 voxels.

    A voxel is the mean of the eight that it covers; of labels, which are whole numbers, the most frequent of them, and
    of equally frequent ones the smallest. An axis of odd length counts its last voxels twice.
    A shard of each level is in memory.
    """

    def __init__(self, group: zarr.Group, name: str) -> None:
        """Create the levels, and describe them in the OME-Zarr metadata.

        Args:
            group: with the array ``name`` (z, y, x) that ``storage.create_volume`` made.
            name: of the array; levels are ``name_2``, ``name_4`` and so on, by how many voxels one covers along an
                axis.
        """
        ome: Any = group.attrs["ome"]
        datasets = ome["multiscales"][0]["datasets"]
        # an earlier try may have made them
        for level in datasets[1:]:
            del group[level["path"]]
        del datasets[1:]
        fine: Any = group[name]
        self.levels: list[_Level] = []
        step = 1
        while max(fine.shape) > SMALLEST:
            step *= 2
            shape = [-(-length // 2) for length in fine.shape]
            coarse = create_array(group, f"{name}_{step}", shape, fine.dtype, axes="zyx")
            scale = datasets[0]["coordinateTransformations"][0]["scale"]
            transformations = [
                {"type": "scale", "scale": [length * step for length in scale]},
                # the first voxel's middle lies between those that it covers
                {"type": "translation", "translation": [length * (step - 1) / 2 for length in scale]},
            ]
            datasets.append({"path": coarse.basename, "coordinateTransformations": transformations})
            self.levels.append(_Level(coarse, fine.shape[0]))
            fine = coarse
        for level, coarser in pairwise(self.levels):
            level.pass_on = coarser.add
        group.attrs["ome"] = ome

    def add(self, slices: NDArray[Any]) -> None:
        """Take the next slices (n, y, x) of the volume, from its first to its last; the last complete all levels."""
        if self.levels:
            self.levels[0].add(slices)


class _Level:
    """One level: halves what comes, and writes and passes on a shard when it is full."""

    def __init__(self, array: zarr.Array[Any], expected: int) -> None:
        self.array = array
        self.expected = expected
        """Slices of the finer level that are still to come."""
        self.pass_on: Callable[[NDArray[Any]], None] = lambda slices: None
        self._halve = halve_labels if np.issubdtype(array.dtype, np.integer) else halve_image
        self._left: NDArray[Any] | None = None
        self._shards = shards(array)
        self._shard = np.empty((0, *array.shape[1:]), array.dtype)
        self._filled = 0

    def add(self, fine: NDArray[Any]) -> None:
        self.expected -= len(fine)
        fine = fine if self._left is None else np.concatenate([self._left, fine])
        even = len(fine) // 2 * 2 if self.expected else len(fine)
        self._left = fine[even:].copy() if even < len(fine) else None
        with ThreadPoolExecutor(2) as pool:
            for plane in pool.map(lambda place: self._halve(fine[place : place + 2]), range(0, even, 2)):
                self._take(plane)

    def _take(self, plane: NDArray[Any]) -> None:
        if not self._filled:
            length = self._shards[0].stop - self._shards[0].start
            self._shard = np.empty((length, *plane.shape[1:]), plane.dtype)
        self._shard[self._filled] = plane[0]
        self._filled += 1
        if self._filled == len(self._shard):
            self.array[self._shards.pop(0)] = self._shard
            self._filled = 0
            self.pass_on(self._shard)


def halve_image(volume: NDArray[Any]) -> NDArray[Any]:
    """Return the mean of every 2 x 2 x 2 voxels of a volume (z, y, x)."""
    even = _make_even(volume)
    # the axis along which neighbours lie side by side comes last, when there is little left to add
    total = even[0::2] + even[1::2]
    total = total[:, 0::2] + total[:, 1::2]
    return np.asarray((total[..., 0::2] + total[..., 1::2]) / np.float32(8), volume.dtype)


def halve_labels(volume: NDArray[Any]) -> NDArray[Any]:
    """Return the most frequent of every 2 x 2 x 2 labels of a volume (z, y, x); of several, the smallest."""
    even = _make_even(volume)
    corners = [np.ascontiguousarray(even[z::2, y::2, x::2]) for z in (0, 1) for y in (0, 1) for x in (0, 1)]
    counts = [np.ones(corners[0].shape, np.uint8) for _ in corners]
    for first, second in combinations(range(len(corners)), 2):
        same = corners[first] == corners[second]
        counts[first] += same
        counts[second] += same
    best, most = corners[0], counts[0]
    for label, count in zip(corners[1:], counts[1:], strict=True):
        better = (count > most) | ((count == most) & (label < best))
        best, most = np.where(better, label, best), np.maximum(most, count)
    return best


def _make_even(volume: NDArray[Any]) -> NDArray[Any]:
    """Repeat the last voxels along axes of odd length: they stand for the missing ones."""
    odd = [(0, length % 2) for length in volume.shape]
    return np.pad(volume, odd, mode="edge") if any(after for _, after in odd) else volume
