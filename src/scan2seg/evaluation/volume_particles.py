"""Particles of a volume: connected components in three dimensions, found slice by slice: size, surface, connectivity.

Memory holds one slice and a few numbers for each region of each slice, so volumes may be larger than it. Two voxels of
one class belong together where they share a face, an edge or a corner (26 neighbours).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scan2seg.evaluation.crofton import DIRECTIONS, crossing_areas, sphericity
from scan2seg.evaluation.region_contacts import count_contacts, unique_links
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


class _Plane(NamedTuple):
    """A slice."""

    regions: NDArray[np.int32]
    """From 1, within the slice; 0 is none."""
    classes: NDArray[np.int16]


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
        self._before: _Plane | None = None
        self._shape = (0, 0, 0)

    def add(self, labels: NDArray[Any]) -> None:
        """Add the next slice: classes (y, x); other values count nowhere."""
        from skimage.measure import label as find_components

        known = np.where(labels < self.classes, labels.astype(np.int16), np.int16(-1))
        # numbered within the slice, in which a region has one class
        regions = find_components(known, background=-1, connectivity=2).astype(np.int32)
        count = int(regions.max(initial=0))
        owner = np.full(count + 1, -1, np.int64)
        owner[regions.ravel()] = known.ravel()
        self._owner.append(owner[1:])
        self._voxels.append(np.bincount(regions.ravel(), minlength=count + 1)[1:])
        self._boxes.append(_find_boxes(regions, count, self._shape[0]))
        self._surface.append(np.zeros(count))
        plane = _Plane(regions, known)
        self._meet(plane, plane, 0)
        if self._before is not None:
            links = self._meet(self._before, plane, 1)
            first = self._count - len(self._owner[-2])
            self._links.append(unique_links(links, count + 1) + np.array([first - 1, self._count - 1]))
        self._before, self._joined = plane, None
        self._count += count
        self._shape = (self._shape[0] + 1, *labels.shape[:2])

    def _meet(self, below: "_Plane", above: "_Plane", step: int) -> NDArray[np.int64]:
        """Add to the surface of regions what crossings between two slices, or within one, stand for; return the links.

        Neighbours of one class are of one particle; where a region meets the volume's face is no surface of it.
        """
        surfaces = self._surface[-1 - step], self._surface[-1]
        found: list[NDArray[np.int64]] = [np.zeros((0, 2), np.int64)]
        links = np.empty((below.regions.size if step else 0, 2), np.int32)
        for (deep, down, right), area in zip(DIRECTIONS, self._areas, strict=True):
            if deep != step:
                continue
            counts = [np.zeros(len(surface) + 1, np.int64) for surface in surfaces]
            number = count_contacts(
                below.regions, above.regions, below.classes, above.classes, down, right, *counts, links
            )
            found.append(links[:number].astype(np.int64))
            for surface, crossings in zip(surfaces, counts, strict=True):
                surface += area * crossings[1:]
        return np.concatenate(found)

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


def _find_boxes(regions: NDArray[np.int32], count: int, place: int) -> NDArray[np.int64]:
    """Return first and last (z, y, x) of every region of a slice, as (n, 2, 3)."""
    from scipy.ndimage import find_objects

    boxes = np.full((count, 2, 3), place, np.int64)
    for number, (rows, columns) in enumerate(find_objects(regions, count)):
        boxes[number, :, 1:] = [[rows.start, columns.start], [rows.stop - 1, columns.stop - 1]]
    return boxes
