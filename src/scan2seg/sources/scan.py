"""Reconstructed volumes of scans, with their label volumes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.config.source import ScanLabels, ScanVolume
from scan2seg.documents import Json
from scan2seg.errors import InputError
from scan2seg.logging import warn
from scan2seg.orientation import SAMPLE_SLICES, Fit, find_turn, warn_of_turned_labels
from scan2seg.places import evenly_within
from scan2seg.readers.volumes import Volume, open_volume
from scan2seg.sources import Item
from scan2seg.storage import open_store


def list_items(source: ScanLabels, scans: Mapping[str, ScanVolume]) -> list[Item]:
    """List the slices of each scan: the volumes and labels by name.

    The label volume may be larger than the reconstruction where that was cropped: the attribute ``crop`` of
    the volume ([z0, z1, y0, y1, x0, x1] in the uncropped frame) says which part of it belongs to it.

    Raises:
        InputError: labels of another shape.
    """
    return [item for name, files in scans.items() for item in _scan_items(name, files)]


def _scan_items(name: str, files: ScanVolume) -> list[Item]:
    volume = open_volume(Path(files.volume), "volume")
    labels = open_volume(Path(files.labels), files.labels_key) if files.labels else None
    attributes: Json = dict(open_store(files.volume).attrs)
    offset = _find_offset(volume, labels, attributes.get("crop"), files.labels)
    depth, height, width = volume.shape
    if gaps := volume.find_gaps():
        raise InputError(gaps)
    if labels is not None:
        if gaps := labels.find_gaps():
            warn("%s. Labels may leave out background; check that these do", gaps)
        part = None if labels.shape == volume.shape else _part(offset[1:], (height, width))
        warn_of_turned_labels(name, _fit(volume, labels, offset[0], part), attributes.get("orientation", "none"))

    def item(index: int) -> Item:
        def read() -> NDArray[np.float32]:
            return volume.plane(0, index)[None].astype(np.float32)

        def read_label() -> NDArray[Any]:
            assert labels is not None
            return labels.plane(0, index + offset[0])[_part(offset[1:], (height, width))]

        place = f"{name}/{index:05d}"
        size, labelled = volume.pixel_size(), read_label if labels else None
        return Item(place, name, None, (height, width), read, labelled, size, spacing=volume.slice_spacing())

    return [item(index) for index in range(depth)]


def _part(start: tuple[int, int], size: tuple[int, int]) -> tuple[slice, slice]:
    return slice(start[0], start[0] + size[0]), slice(start[1], start[1] + size[1])


def _fit(volume: Volume, labels: Volume, first: int, part: tuple[slice, slice] | None) -> Fit:
    """Look at a few slices, evenly spread, and their labels counted from either end of the label volume."""
    chosen = evenly_within(volume.shape[0], SAMPLE_SLICES)
    last = labels.shape[0] - 1
    return find_turn(
        [volume.plane(0, index) for index in chosen],
        [labels.plane(0, first + index) for index in chosen],
        part,
        [labels.plane(0, last - first - index) for index in chosen],
    )


def _find_offset(volume: Volume, labels: Volume | None, crop: Any, path: str | None) -> tuple[int, int, int]:
    if labels is None or labels.shape == volume.shape:
        return 0, 0, 0
    if crop is not None:
        place = [int(value) for value in crop]
        if all(place[2 * axis + 1] <= labels.shape[axis] for axis in range(3)):
            return place[0], place[2], place[4]
    message = f"has shape {labels.shape}, the reconstruction {volume.shape}"
    raise InputError(f"{path}: {message}; give labels of the whole or of the cropped volume")
