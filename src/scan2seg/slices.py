"""Reading the images of a stack in their true size, and which of them are slices of one volume."""

from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

ReadSlice = Callable[[int], NDArray[Any]]
"""Reads one image or slice (c, y, x)."""


class StackImages:
    """The images of a stack in their true size, and as they are kept, one at a time: (c, y, x)."""

    def __init__(self, store: zarr.Group) -> None:
        """Open the images of a stack."""
        self._image: Any = store["image"]
        self._size = np.asarray(store["size"])

    def __call__(self, index: int) -> NDArray[Any]:
        """Read an image."""
        height, width = (int(length) for length in self._size[index])
        return np.asarray(self._image[index])[:, :height, :width]


def read_slab(read: ReadSlice, images: range, neighbours: int, within: range) -> NDArray[np.float32]:
    """Read consecutive images of one size as a slab (c, z, y, x) of float32; each of them once.

    Args:
        read: reads one image or slice (c, y, x).
        images: which.
        neighbours: slices on each side of an image that are further channels of it, from the bottom up.
        within: consecutive images of one size that may be seen, these among them: of their volume, or of their run
            within one part of the split. Beyond them the slices are mirrored.
    """
    places = [mirror_places(range(index - neighbours, index + neighbours + 1), within) for index in images]
    planes = {place: read(place) for chosen in places for place in chosen}
    slices = [np.concatenate([planes[place] for place in chosen], dtype=np.float32) for chosen in places]
    return np.stack(slices, axis=1)


def mirror_places(places: Sequence[int], within: range) -> list[int]:
    """Fold places beyond a range back into it; the place at its edge is repeated, as by numpy's ``symmetric``."""
    length = len(within)
    folded = [(place - within.start) % (2 * length) for place in places]
    return [within.start + min(place, 2 * length - 1 - place) for place in folded]


def find_stretches(kinds: Sequence[Hashable]) -> list[range]:
    """List the longest stretches of equal neighbours, in order."""
    edges = [0, *(index for index in range(1, len(kinds)) if kinds[index] != kinds[index - 1]), len(kinds)]
    return [range(first, last) for first, last in pairwise(edges) if first < last]


def list_volumes(store: zarr.Group) -> list[range]:
    """List the volumes of a stack: the longest stretches of images of one group and one size."""
    groups: list[str] = list(store.attrs["groups"])  # type: ignore[arg-type]
    sizes = map(tuple, np.asarray(store["size"]).tolist())
    return find_stretches(list(zip(groups, sizes, strict=True)))


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


def read_pixel_sizes(group: zarr.Group) -> list[float] | None:
    """Return the edge of a pixel of each image of a stack in micrometres; None where it is not known of every one."""
    attributes = group.attrs.asdict()
    common: Any = attributes.get("pixel_size")
    found: Any = attributes.get("pixel_sizes") or [common] * len(attributes["names"])  # type: ignore[arg-type]
    return [float(size) for size in found] if all(found) else None
