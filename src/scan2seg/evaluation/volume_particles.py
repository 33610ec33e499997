"""Particles of a volume: connected components in three dimensions, found slice by slice: size, surface, connectivity.

Memory holds one slice and a few numbers for each region of each slice, so volumes may be larger than it. Two voxels of
one class belong together where they share a face, an edge or a corner (26 neighbours).
"""

from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scan2seg.evaluation.crofton import DIRECTIONS, crossing_areas, sphericity
from scan2seg.spacing import Spacing

MINIMUM_SIZE = 27
"""Voxels below which a component is noise, not a particle."""
_AXES = "zyx"


class _Components(NamedTuple):
    """The connected components of a volume."""

    owner: NDArray[np.int64]
    """The class of each."""
    voxels: NDArray[np.int64]
    surface: NDArray[np.float64]
    boxes: NDArray[np.int64]
    """First and last (z, y, x) of each, as (n, 2, 3)."""


class VolumeParticles:
    """The particles of every class of a volume whose slices are added from the first to the last."""

    def __init__(self, classes: int, spacing: Spacing = (1.0, 1.0, 1.0), minimum_size: int = MINIMUM_SIZE) -> None:
        """Start from nothing; the spacing is that of the voxels along (z, y, x), and its unit that of all results."""
        self.classes = classes
        self.spacing = spacing
        self.minimum_size = minimum_size
        self._areas = crossing_areas(spacing)
        self._surface: list[NDArray[np.float64]] = []
        self._joined: _Components | None = None
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
        self._surface.append(np.zeros(count))
        self._add_crossings(numbers, numbers, 0)
        if self._before is not None:
            self._links.append(_find_links(self._before, numbers, np.concatenate(self._owner[-2:]), self._offset()))
            self._add_crossings(self._before, numbers, 1)
        self._before, self._joined = numbers, None
        self._count += count
        self._shape = (self._shape[0] + 1, *labels.shape[:2])

    def _offset(self) -> int:
        """Return the number of the first region of the slice before."""
        return self._count - len(self._owner[-2])

    def _add_crossings(self, below: NDArray[np.int64], above: NDArray[np.int64], step: int) -> None:
        """Add to the surface of regions what crossings between two slices, or within one, stand for.

        Neighbours of one class are of one particle; where a region meets the volume's face is no surface of it.
        """
        recent = range(max(0, len(self._owner) - 1 - step), len(self._owner))
        offset = self._count - (len(self._owner[-2]) if step else 0)
        # the last stands for what is no region
        owner = np.concatenate([*(self._owner[place] for place in recent), [-1]])
        count = len(owner) - 1
        total = np.zeros(count)
        for (deep, down, right), area in zip(DIRECTIONS, self._areas, strict=True):
            if deep != step:
                continue
            rows, columns = _overlap(below.shape[0], down), _overlap(below.shape[1], right)
            pair = (below[rows[0], columns[0]], above[rows[1], columns[1]])
            first, second = (np.where(part < 0, count, part - offset) for part in pair)
            differ = owner[first] != owner[second]
            for part in (first[differ], second[differ]):
                total += area * np.bincount(part, minlength=count + 1)[:count]
        for place in recent:
            length = len(self._surface[place])
            self._surface[place] += total[:length]
            total = total[length:]

    def describe(self, index: int) -> dict[str, Any]:
        """Return share of the volume, count, sizes, shape and connectivity of the particles of one class, JSON-ready.

        - ``phase_fraction``: of the voxels whose class is known
        - ``mean_diameter`` and so on: of the ball of equal volume, (6 V / pi)^(1/3); ``diameter_90`` is the least of
          them that 90 % of the particles do not exceed
        - ``surface``: of all of the class within the volume, by Crofton's formula; the volume's faces are none
        - ``mean_sphericity``: of particles that touch no face of the volume; None without such
        - ``largest_share``: of the class's voxels, that in its largest component
        - ``connects``: the axes along which one component reaches from one face of the volume to the other
        """
        parts = self._components()
        mine = parts.owner == index
        sizes, boxes, surfaces = parts.voxels[mine], parts.boxes[mine], parts.surface[mine]
        kept = sizes >= self.minimum_size
        volumes = sizes * float(np.prod(self.spacing))
        diameters = np.cbrt(6 * volumes[kept] / np.pi)
        last = np.array(self._shape) - 1
        inside = kept & (boxes[:, 0] > 0).all(axis=1) & (boxes[:, 1] < last).all(axis=1)
        total = int(parts.voxels.sum())
        found: dict[str, Any] = {"phase_fraction": float(sizes.sum() / total) if total else None}
        found |= {"particles": int(kept.sum()), "minimum_size_voxels": self.minimum_size}
        names = ("mean_diameter", "diameter_10", "median_diameter", "diameter_90")
        values = [None] * 4
        if len(diameters):
            values = [diameters.mean(), *np.percentile(diameters, (10, 50, 90), method="inverted_cdf")]
        found |= {name: None if value is None else float(value) for name, value in zip(names, values, strict=True)}
        found["surface"] = float(surfaces.sum())
        shapes = sphericity(volumes[inside], surfaces[inside])
        found["mean_sphericity"] = float(shapes.mean()) if len(shapes) else None
        spans = (boxes[:, 0] == 0) & (boxes[:, 1] == last)
        found["largest_share"] = float(sizes.max() / sizes.sum()) if len(sizes) else None
        found["connects"] = [axis for place, axis in enumerate(_AXES) if len(sizes) and spans[:, place].any()]
        return found

    def sizes(self, index: int) -> NDArray[np.int64]:
        """Return the voxels of every component of a class, however small, in no order."""
        parts = self._components()
        sizes: NDArray[np.int64] = parts.voxels[parts.owner == index]
        return sizes

    def _components(self) -> _Components:
        """Join the regions of all slices, once until another slice is added."""
        if self._joined is None:
            self._joined = self._join()
        return self._joined

    def _join(self) -> _Components:
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        if not self._count:
            none = np.zeros(0, np.int64)
            return _Components(none, none, np.zeros(0), np.zeros((0, 2, 3), np.int64))
        links = np.concatenate(self._links) if self._links else np.zeros((0, 2), np.int64)
        graph = coo_array((np.ones(len(links), bool), (links[:, 0], links[:, 1])), shape=(self._count, self._count))
        count, component = connected_components(graph, directed=False)
        owner = np.zeros(count, np.int64)
        owner[component] = np.concatenate(self._owner)
        voxels = np.bincount(component, np.concatenate(self._voxels), minlength=count).astype(np.int64)
        surface = np.bincount(component, np.concatenate(self._surface), minlength=count)
        boxes = np.concatenate(self._boxes)
        joined = np.stack([np.full((count, 3), np.iinfo(np.int64).max), np.full((count, 3), -1)], axis=1)
        np.minimum.at(joined[:, 0], component, boxes[:, 0])
        np.maximum.at(joined[:, 1], component, boxes[:, 1])
        return _Components(owner, voxels, surface.astype(np.float64), joined)


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
