"""Reading the images of a stack in their true size, and which of them are slices of one volume."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import zarr
from numpy.typing import NDArray


def read_slices(store: zarr.Group, index: int, neighbours: int = 0) -> NDArray[np.float32]:
    """Read an image with slices above and below as further channels, from the bottom up; edges are repeated."""
    groups: list[str] = list(store.attrs["groups"])  # type: ignore[arg-type]
    height, width = (int(value) for value in np.asarray(store["size"][index]))  # type: ignore[index]
    chosen = []
    for offset in range(-neighbours, neighbours + 1):
        step = offset
        while step and not (0 <= index + step < len(groups) and groups[index + step] == groups[index]):
            step -= 1 if step > 0 else -1
        chosen.append(np.asarray(store["image"][index + step])[:, :height, :width])  # type: ignore[index]
    return np.concatenate(chosen)


def read_slab(store: zarr.Group, images: range, neighbours: int = 0) -> NDArray[np.float32]:
    """Read consecutive images of one size as a slab (c, z, y, x)."""
    return np.stack([read_slices(store, index, neighbours) for index in images], axis=1)


def list_volumes(store: zarr.Group) -> list[range]:
    """List the volumes of a stack: the longest stretches of images of one group and one size."""
    groups: list[str] = list(store.attrs["groups"])  # type: ignore[arg-type]
    kinds = list(zip(groups, np.asarray(store["size"]).tolist(), strict=True))
    edges = [0, *(index for index in range(1, len(kinds)) if kinds[index] != kinds[index - 1]), len(kinds)]
    return [range(first, last) for first, last in pairwise(edges) if first < last]


def find_runs(volumes: Sequence[range], indices: Sequence[int]) -> list[tuple[range, range]]:
    """Divide image indices, in their order, into runs of consecutive slices; return each run with its volume."""
    owner = {index: volume for volume in volumes for index in volume}
    runs: list[tuple[range, range]] = []
    for index in indices:
        if runs and index == runs[-1][0].stop and index in runs[-1][1]:
            runs[-1] = (range(runs[-1][0].start, index + 1), runs[-1][1])
        else:
            runs.append((range(index, index + 1), owner[index]))
    return runs
