"""Particles of a volume: connected components in three dimensions, found slice by slice, with sizes and connectivity.

Memory holds one slice and a few numbers for each region of each slice, so volumes may be larger than it. Two voxels of
one class belong together where they share a face, an edge or a corner (26 neighbours).
"""

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

MINIMUM_SIZE = 27
"""Voxels below which a component is noise, not a particle."""
_AXES = "zyx"


class VolumeParticles:
    """The particles of every class of a volume whose slices are added from the first to the last."""

    def __init__(self, classes: int, minimum_size: int = MINIMUM_SIZE) -> None:
        """Start from nothing."""
        self.classes = classes
        self.minimum_size = minimum_size
        self._owner: list[NDArray[np.int64]] = []
        self._voxels: list[NDArray[np.int64]] = []
        self._boxes: list[NDArray[np.int64]] = []
        self._links: list[NDArray[np.int64]] = []
        self._count = 0
        self._before: NDArray[np.int64] | None = None
        self._shape = (0, 0, 0)

    def add(self, labels: NDArray[Any]) -> None:
        """Add the next slice: classes (y, x); other values count nowhere."""
        from skimage.measure import label as find_components

        known = np.where(labels < self.classes, labels.astype(np.int64), -1)
        # numbered within the slice, in which a region has one class
        regions = find_components(known, background=-1, connectivity=2).astype(np.int64)
        count = int(regions.max(initial=0))
        numbers = np.where(regions > 0, regions + self._count - 1, -1)
        owner = np.full(count + 1, -1, np.int64)
        owner[regions.ravel()] = known.ravel()
        self._owner.append(owner[1:])
        self._voxels.append(np.bincount(regions.ravel(), minlength=count + 1)[1:])
        self._boxes.append(_find_boxes(regions, count, self._shape[0]))
        if self._before is not None:
            self._links.append(_find_links(self._before, numbers, np.concatenate(self._owner[-2:]), self._offset()))
        self._before = numbers
        self._count += count
        self._shape = (self._shape[0] + 1, *labels.shape[:2])

    def _offset(self) -> int:
        """Return the number of the first region of the slice before."""
        return self._count - len(self._owner[-2])

    def describe(self, index: int, voxel_volume: float = 1.0) -> dict[str, Any]:
        """Return count, diameters and connectivity of the particles of one class, JSON-ready.

        The equivalent diameter is that of the ball of equal volume, (6 V / pi)^(1/3), in the unit whose cube is that of
        the voxel's volume. ``largest_share`` is that of the class's voxels in its largest component, and ``connects``
        names the axes along which one component reaches from one face of the volume to the other.
        """
        sizes, boxes = self._components(index)
        kept = sizes[sizes >= self.minimum_size]
        diameters = np.cbrt(6 * kept * voxel_volume / np.pi)
        found: dict[str, Any] = {"particles": len(kept), "minimum_size_voxels": self.minimum_size}
        names = ("mean_diameter", "diameter_10", "median_diameter", "diameter_90")
        values = [diameters.mean(), *np.percentile(diameters, (10, 50, 90))] if len(kept) else [None] * 4
        found |= {name: None if value is None else float(value) for name, value in zip(names, values, strict=True)}
        spans = (boxes[:, 0] == 0) & (boxes[:, 1] == np.array(self._shape) - 1)
        found["largest_share"] = float(sizes.max() / sizes.sum()) if len(sizes) else None
        found["connects"] = [axis for place, axis in enumerate(_AXES) if len(sizes) and spans[:, place].any()]
        return found

    def sizes(self, index: int) -> NDArray[np.int64]:
        """Return the voxels of every component of a class, however small, in no order."""
        return self._components(index)[0]

    def _components(self, index: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return voxels (n,) and boxes (n, first and last, 3) of the components of a class."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        if not self._count:
            return np.zeros(0, np.int64), np.zeros((0, 2, 3), np.int64)
        owner, voxels = np.concatenate(self._owner), np.concatenate(self._voxels)
        boxes = np.concatenate(self._boxes)
        links = np.concatenate(self._links) if self._links else np.zeros((0, 2), np.int64)
        graph = coo_array((np.ones(len(links), bool), (links[:, 0], links[:, 1])), shape=(self._count, self._count))
        count, component = connected_components(graph, directed=False)
        mine = owner == index
        sizes = np.bincount(component[mine], voxels[mine], minlength=count).astype(np.int64)
        joined = np.stack([np.full((count, 3), np.iinfo(np.int64).max), np.full((count, 3), -1)], axis=1)
        np.minimum.at(joined[:, 0], component[mine], boxes[mine, 0])
        np.maximum.at(joined[:, 1], component[mine], boxes[mine, 1])
        return sizes[sizes > 0], joined[sizes > 0]


def _find_boxes(regions: NDArray[np.int64], count: int, place: int) -> NDArray[np.int64]:
    """Return first and last (z, y, x) of every region of a slice, as (n, 2, 3)."""
    from scipy.ndimage import find_objects

    boxes = np.full((count, 2, 3), place, np.int64)
    for number, (rows, columns) in enumerate(find_objects(regions, count)):
        boxes[number, :, 1:] = [[rows.start, columns.start], [rows.stop - 1, columns.stop - 1]]
    return boxes


def _find_links(
    below: NDArray[np.int64], above: NDArray[np.int64], owner: NDArray[np.int64], offset: int
) -> NDArray[np.int64]:
    """Return the pairs (n, 2) of regions of one class that touch from slice to slice; -1 is no region."""
    height, width = below.shape
    found = []
    for down, right in product((-1, 0, 1), repeat=2):
        rows, columns = _overlap(height, down), _overlap(width, right)
        first, second = below[rows[0], columns[0]].ravel(), above[rows[1], columns[1]].ravel()
        both = (first >= 0) & (second >= 0)
        first, second = first[both], second[both]
        same = owner[first - offset] == owner[second - offset]
        found.append(np.unique(np.stack([first[same], second[same]], axis=1), axis=0))
    return np.unique(np.concatenate(found), axis=0)


def _overlap(length: int, shift: int) -> tuple[slice, slice]:
    """Return the places of an axis and those a shift further, where both lie inside."""
    return slice(max(0, -shift), length - max(0, shift)), slice(max(0, shift), length - max(0, -shift))
