"""Volumes with label volumes: each slice is an image, each volume a group."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.config.volumes import VolumeFiles, VolumeSource
from scan2seg.errors import InputError
from scan2seg.readers.images import SUFFIXES, image_size, read_image, read_label
from scan2seg.readers.volumes import Volume, open_volume
from scan2seg.sources import Item, find_files


def input_files(source: VolumeSource) -> list[str]:
    """List every file of the source."""
    found: list[str] = []
    for files in volume_files(source).values():
        patterns = files.images if isinstance(files.images, list) else [files.images]
        for pattern in [*patterns, *([files.labels] if files.labels else [])]:
            found.extend(str(path) for path in find_files(pattern, "source"))
    return found


def list_items(settings: dict[str, Any], scans: dict[str, Any]) -> list[Item]:
    """List the slices of every volume.

    Raises:
        InputError: a file is missing or unreadable, or channels and labels differ in shape.
    """
    source = VolumeSource.model_validate(settings)
    return [
        item
        for name, files in volume_files(source).items()
        for item in slice_items(
            name,
            [open_files(pattern, source.images_key) for pattern in _as_list(files.images)],
            open_files(files.labels, source.labels_key, labels=True) if files.labels else None,
            source,
        )
    ]


def volume_files(source: VolumeSource) -> dict[str, VolumeFiles]:
    """Return the files of each volume, by name."""
    if source.volumes is not None:
        return source.volumes
    found: dict[str, VolumeFiles] = {}
    for folder in find_files(str(source.folders), "source.folders"):
        if folder.is_dir():
            patterns = [str(folder / pattern) for pattern in _as_list(source.images or [])]
            labels = str(folder / source.labels) if source.labels else None
            found[folder.name] = VolumeFiles(images=patterns, labels=labels)
    if not found:
        raise InputError(f"source.folders: '{source.folders}' matches no folder")
    return found


def open_files(pattern: str, key: str | None, labels: bool = False) -> Volume:
    """Open a volume file, or the slice files that a pattern matches."""
    paths = find_files(pattern, "source")
    if len(paths) == 1:
        return open_volume(paths[0], key)
    height, width = image_size(paths[0])
    read = read_label if labels else read_image
    wrong = [path for path in paths if path.suffix.lower() not in SUFFIXES]
    if wrong:
        raise InputError(f"{wrong[0]}: '{pattern}' matches {len(paths)} files; give one volume or image slices")

    def plane(axis: int, index: int) -> NDArray[Any]:
        if axis != 0:
            raise InputError(f"{pattern}: slice files are cut along axis 0 only")
        pixels = read(paths[index])
        if pixels.ndim != 2 or pixels.shape != (height, width):
            raise InputError(f"{paths[index]}: has shape {pixels.shape}, the first slice {(height, width)}")
        return pixels

    return Volume((len(paths), height, width), None, plane)


def slice_items(name: str, channels: list[Volume], labels: Volume | None, source: VolumeSource) -> list[Item]:
    """Make an item of each slice of a volume with its channels."""
    for volume in (*channels[1:], *([labels] if labels else [])):
        if volume.shape != channels[0].shape:
            raise InputError(f"source: volume {name} has shape {channels[0].shape}, a channel or label {volume.shape}")
    axis, shape = source.axis, channels[0].shape
    start, stop = source.slices or (0, shape[axis])
    if not 0 <= start < stop <= shape[axis]:
        raise InputError(f"source.slices: {start} to {stop} is not within the {shape[axis]} slices of {name}")
    size = (shape[1 if axis == 0 else 0], shape[1 if axis == 2 else 2])
    scale = _make_scaling(channels, axis, (start, stop)) if source.standardise else None

    def reader(index: int) -> Callable[[], NDArray[np.float32]]:
        def read() -> NDArray[np.float32]:
            planes = np.stack([volume.plane(axis, index) for volume in channels]).astype(np.float32)
            return planes if scale is None else (planes - scale[0]) / scale[1]

        return read

    def label_reader(index: int) -> Callable[[], NDArray[Any]] | None:
        return None if labels is None else lambda: labels.plane(axis, index)

    return [
        Item(f"{name}/{index:05d}", name, None, size, reader(index), label_reader(index))
        for index in range(start, stop)
    ]


def _make_scaling(
    channels: list[Volume], axis: int, slices: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Measure mean and standard deviation of each channel, a slice at a time, as (channel, 1, 1)."""
    sums = np.zeros((len(channels), 3))
    for number, volume in enumerate(channels):
        for index in range(*slices):
            plane = volume.plane(axis, index).astype(np.float64)
            sums[number] += plane.size, plane.sum(), np.square(plane).sum()
    mean = sums[:, 1] / sums[:, 0]
    deviation = np.sqrt(np.maximum(sums[:, 2] / sums[:, 0] - mean**2, 1e-12))
    shape = (len(channels), 1, 1)
    return mean.reshape(shape).astype(np.float32), deviation.reshape(shape).astype(np.float32)


def _as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
