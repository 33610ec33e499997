"""Coarser levels of a volume in its store, each half as fine, so that viewers open it at once (OME-NGFF 0.5)."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from scan2seg.storage import create_array, shards

SMALLEST = 256
"""No level is made of one whose longest axis is this long or shorter."""


def add_levels(group: zarr.Group, name: str) -> None:
    """Add coarser levels to the volume of a store, and to its OME-Zarr metadata, until it fits into 256 voxels.

    A voxel is the mean of the eight that it covers; of labels, which are whole numbers, the most frequent of them, and
    of equally frequent ones the smallest. An axis of odd length counts its last voxels twice.
    A few shards are in memory.

    Args:
        group: with the array ``name`` (z, y, x) that ``storage.create_volume`` made, all of it written.
        name: of the array; levels are ``name_2``, ``name_4`` and so on, by how many voxels one covers along an axis.
    """
    ome: Any = group.attrs["ome"]
    datasets = ome["multiscales"][0]["datasets"]
    fine: Any = group[name]
    step = 1
    while max(fine.shape) > SMALLEST:
        step *= 2
        shape = [-(-length // 2) for length in fine.shape]
        coarse = create_array(group, f"{name}_{step}", shape, fine.dtype, axes="zyx")
        _fill(fine, coarse)
        scale = datasets[0]["coordinateTransformations"][0]["scale"]
        transformations = [
            {"type": "scale", "scale": [length * step for length in scale]},
            # the first voxel's middle lies between those that it covers
            {"type": "translation", "translation": [length * (step - 1) / 2 for length in scale]},
        ]
        datasets.append({"path": coarse.basename, "coordinateTransformations": transformations})
        fine = coarse
    group.attrs["ome"] = ome


def _fill(fine: Any, coarse: Any) -> None:
    halve = halve_labels if np.issubdtype(fine.dtype, np.integer) else halve_image

    def fill(block: slice) -> None:
        planes = (np.asarray(fine[2 * place : 2 * place + 2]) for place in range(block.start, block.stop))
        coarse[block] = np.concatenate([halve(pair) for pair in planes])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(fill, shards(coarse)))


def halve_image(volume: NDArray[Any]) -> NDArray[Any]:
    """Return the mean of every 2 x 2 x 2 voxels of a volume (z, y, x)."""
    return np.asarray(sum(_corners(volume)) / np.float32(8), volume.dtype)


def halve_labels(volume: NDArray[Any]) -> NDArray[Any]:
    """Return the most frequent of every 2 x 2 x 2 labels of a volume (z, y, x); of several, the smallest."""
    labels = np.sort(np.stack(_corners(volume)), axis=0)
    best: NDArray[Any] = labels[0].copy()
    most = np.zeros(best.shape, np.uint8)
    for candidate in labels:
        count = (labels == candidate).sum(axis=0, dtype=np.uint8)
        better = count > most
        best[better], most[better] = candidate[better], count[better]
    return best


def _corners(volume: NDArray[Any]) -> list[NDArray[Any]]:
    """Return the eight voxels that each coarse voxel covers; at odd ends the last stands for the missing one."""
    even = np.pad(volume, [(0, length % 2) for length in volume.shape], mode="edge")
    return [even[z::2, y::2, x::2] for z in (0, 1) for y in (0, 1) for x in (0, 1)]
