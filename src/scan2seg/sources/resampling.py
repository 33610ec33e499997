"""Volumes on another grid, a plane at a time: memory holds a few planes, whatever the size of the volume."""

from dataclasses import replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scan2seg.readers.volumes import Volume
from scan2seg.spacing import Spacing


def resample(volume: Volume, spacing: Spacing, wanted: Spacing, labels: bool) -> Volume:
    """Return the volume with another distance between voxels; the outer faces of the first voxels stay in place.

    Images are interpolated linearly, labels take the value of the nearest voxel. Towards larger voxels the
    interpolated image is averaged over the new width less the old one: no voxel is skipped, and equal spacing changes
    nothing.

    Args:
        volume: the volume.
        spacing: distance between its voxels along (z, y, x).
        wanted: the same of the result, in the same unit.
        labels: whether values are classes, which are never mixed.

    Returns:
        A volume of round(length x spacing / wanted) voxels along each axis, of float32 values for images.
    """
    ratios = find_ratios(spacing, wanted)
    if ratios == (1.0, 1.0, 1.0):
        return volume
    lengths = [max(1, round(length / ratio)) for length, ratio in zip(volume.shape, ratios, strict=True)]
    weigh = nearest_weights if labels else linear_weights
    weights = [weigh(old, new, ratio) for old, new, ratio in zip(volume.shape, lengths, ratios, strict=True)]

    def plane(axis: int, index: int) -> NDArray[Any]:
        places, shares = weights[axis][index]
        first, second = (weights[other] for other in range(3) if other != axis)
        if labels:
            rows, columns = (np.array([places[0] for places, _ in table]) for table in (first, second))
            picked: NDArray[Any] = _read(volume, axis, int(places[0]))[rows][:, columns]
            return picked
        mixed = sum(
            share * _read(volume, axis, int(place)).astype(np.float32)
            for place, share in zip(places, shares, strict=True)
        )
        return _apply(second, _apply(first, np.asarray(mixed), 0), 1).astype(np.float32)

    z, y, x = lengths
    dtype = volume.dtype if labels else np.dtype(np.float32)
    return replace(volume, shape=(z, y, x), dtype=dtype, plane=plane, spacing=wanted)


def choose_spacing(spacing: Spacing, setting: Literal["isotropic"] | Spacing | None) -> Spacing:
    """Return the distance between voxels that a source asks for, of a volume whose files say theirs."""
    if setting is None:
        return spacing
    return (min(spacing),) * 3 if setting == "isotropic" else setting


def find_ratios(spacing: Spacing, wanted: Spacing) -> Spacing:
    """Return the new distance between voxels over the old one along (z, y, x); 1 where they are as good as equal."""
    if np.allclose(spacing, wanted, rtol=1e-4):
        return 1.0, 1.0, 1.0
    z, y, x = (new / old for old, new in zip(spacing, wanted, strict=True))
    return z, y, x


def nearest_places(old: int, new: int, ratio: float) -> NDArray[np.intp]:
    """Return, for each voxel of the result along one axis, the nearest voxel of the source, of ``old`` in number.

    ``ratio`` is the new distance over the old one; the outer faces of the first voxels lie on each other.
    """
    places: NDArray[np.intp] = np.floor((np.arange(new) + 0.5) * ratio).astype(np.intp)
    return np.clip(places, 0, old - 1, out=places)


Weights = list[tuple[NDArray[np.intp], NDArray[np.float32]]]


def linear_weights(old: int, new: int, ratio: float) -> Weights:
    """Return, for each voxel of the result along one axis, the voxels that it is made of and their shares.

    ``ratio`` is the new distance over the old one. Beyond the ends the last voxel is repeated.
    """
    width = max(ratio - 1, 0.0)
    table = []
    for index in range(new):
        centre = (index + 0.5) * ratio - 0.5
        start, stop = centre - width / 2, centre + width / 2
        near = np.arange(int(np.floor(start)), int(np.ceil(stop)) + 1)
        if width > 0:
            shares = (_hat_integral(stop - near) - _hat_integral(start - near)) / width
        else:
            shares = np.clip(1 - np.abs(near - centre), 0, None)
        places, owner = np.unique(np.clip(near, 0, old - 1), return_inverse=True)
        sums = np.bincount(owner, shares)
        table.append((places[sums > 0], sums[sums > 0].astype(np.float32)))
    return table


def _hat_integral(position: NDArray[Any]) -> NDArray[np.float64]:
    """Return the integral, from the left to a position, of the hat that linear interpolation gives a voxel at 0."""
    place: NDArray[np.float64] = np.clip(position, -1.0, 1.0)
    return np.asarray(np.where(place < 0, (place + 1) ** 2 / 2, 1 - (1 - place) ** 2 / 2))


def nearest_weights(old: int, new: int, ratio: float) -> Weights:
    """Return the same for the nearest voxel alone."""
    one = np.ones(1, np.float32)
    return [(place.reshape(1), one) for place in nearest_places(old, new, ratio)]


@lru_cache(maxsize=16)
def _read(volume: Volume, axis: int, index: int) -> NDArray[Any]:
    """Read a plane; the last ones stay in memory, for neighbouring planes of the result share planes of the source."""
    return volume.plane(axis, index)


def _apply(table: Weights, plane: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    matrix = np.zeros((len(table), plane.shape[axis]), np.float32)
    for row, (places, shares) in enumerate(table):
        matrix[row, places] = shares
    return np.moveaxis(np.tensordot(matrix, plane, axes=(1, axis)), 0, axis)
