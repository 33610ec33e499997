"""The surface of voxel sets by Crofton's formula: how often lines of the grid cross it, in thirteen directions.

A surface's area is four times the mean, over all directions, of what its sets of parallel lines enter, each line
standing for the area that it has to itself (Legland, Kieu and Devaux, Image Analysis & Stereology 26, 2007). Unlike
the count of voxel faces, which is half as much again for a ball, it is right on average over orientations.
"""

from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from scan2seg.spacing import Spacing

DIRECTIONS = tuple(step for step in product((-1, 0, 1), repeat=3) if step > (0, 0, 0))
"""Steps (z, y, x) from a voxel to half of its 26 neighbours; the others are their opposites."""


@cache
def crossing_areas(spacing: Spacing) -> NDArray[np.float64]:
    """Return, for each direction, the surface that one crossing between neighbouring voxels stands for.

    A direction weighs as much of the sphere as lies nearest to it; a line enters a set half as often as it crosses its
    surface.

    Args:
        spacing: from voxel to voxel along (z, y, x).
    """
    from scipy.spatial import SphericalVoronoi

    steps = np.array(DIRECTIONS) * np.array(spacing)
    lengths = np.linalg.norm(steps, axis=1)
    places = steps / lengths[:, None]
    shares = SphericalVoronoi(np.concatenate([places, -places])).calculate_areas() / (4 * np.pi)
    weights = shares[: len(places)] + shares[len(places) :]
    return np.asarray(4 * weights * np.prod(spacing) / lengths / 2)


def sphericity(volumes: NDArray[np.float64], surfaces: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the surface of the ball of equal volume over each surface (Wadell): 1 for a ball, less for others."""
    return np.asarray(np.cbrt(np.pi) * np.cbrt(6 * volumes) ** 2 / surfaces)
