"""Volumes with label volumes: each slice is an image, each volume a group."""

import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.config.source import ScanVolume
from scan2seg.config.volumes import VolumeSource
from scan2seg.denoising.images import denoise_image
from scan2seg.errors import InputError
from scan2seg.logging import warn
from scan2seg.readers.images import SUFFIXES, read_image, read_label
from scan2seg.readers.volumes import Volume, checked, open_volume, suffixes
from scan2seg.sources import Item
from scan2seg.sources.resampling import choose_spacing, resample
from scan2seg.sources.volume_files import find_volumes
from scan2seg.spacing import Spacing


def input_files(source: VolumeSource) -> list[str]:
    """List every file of the source."""
    return [str(path) for files in find_volumes(source).values() for path in files.paths()]


def list_items(source: VolumeSource, scans: Mapping[str, ScanVolume]) -> list[Item]:
    """List the slices of every volume; only headers are read.

    Raises:
        InputError: a file is missing or unreadable, channels and labels differ in shape, or parts of an image were
            never stored, or volumes are of unlike types.
    """
    items: list[Item] = []
    notes: list[str] = []
    firsts: dict[str, Volume] = {}
    read_colours = partial(read_label, colours=source.label_colours is not None)
    for name, files in find_volumes(source).items():
        channels = [open_files(paths, source.images_key, read_image) for paths in files.channels]
        labels = open_files(files.labels, source.labels_key, read_colours) if files.labels else None
        firsts[name] = channels[0]
        notes.extend(_check(name, channels, labels, source))
        items.extend(slice_items(name, *_resample(name, channels, labels, source), source))
    _check_types(firsts, source)
    for note in [*_compare(firsts), *notes[:5]]:
        warn("%s", note)
    if len(notes) > 5:
        warn("and %d more notes of this kind", len(notes) - 5)
    return items


def _check_types(volumes: dict[str, Volume], source: VolumeSource) -> None:
    """Refuse volumes of unlike types where nothing makes them comparable."""
    types = {np.dtype(volume.dtype).name: name for name, volume in volumes.items()}
    if len(types) > 1 and not source.standardise and source.intensities is None:
        held = ", ".join(f"{kind} such as {name}" for kind, name in types.items())
        raise InputError(
            f"source: volumes are of unlike types ({held}); set standardise: true, or, where their values are on one "
            "scale as they are, intensities: stored"
        )


def _compare(volumes: dict[str, Volume]) -> list[str]:
    """Word in what volumes differ that a model may take for what tells classes apart."""
    sides = {volume.orientation: name for name, volume in volumes.items() if volume.orientation}
    notes = []
    if len(sides) > 1:
        held = ", ".join(f"{side} such as {name}" for side, name in sides.items())
        notes.append(f"by their headers, axes of the volumes run towards unlike sides ({held}); turn them alike first")
    return notes


def open_files(paths: list[Path], key: str | None, read: Callable[[Path], NDArray[Any]]) -> Volume:
    """Open a volume file, or slice files with the function that reads one."""
    if len(paths) == 1 and not (paths[0].suffix.lower() in SUFFIXES and paths[0].suffix.lower() not in suffixes()):
        return open_volume(paths[0], key)
    wrong = [path for path in paths if path.suffix.lower() not in SUFFIXES]
    if wrong:
        raise InputError(f"{wrong[0]}: is one of {len(paths)} files that match; give one volume or image slices")
    first = read(paths[0])

    def plane(axis: int, index: int) -> NDArray[Any]:
        if axis != 0:
            raise InputError(f"{paths[0].parent}: slice files are cut along axis 0 only")
        pixels = read(paths[index])
        if (pixels.shape, pixels.dtype) != (first.shape, first.dtype):
            mine, others = (f"{held.dtype} of shape {held.shape}" for held in (pixels, first))
            raise InputError(f"{paths[index]}: holds {mine}, the first slice {others}")
        return pixels

    channels = first.shape[2] if first.ndim == 3 else 1
    return checked(Volume((len(paths), *first.shape[:2]), first.dtype, plane, channels=channels), paths[0])


def slice_items(name: str, channels: list[Volume], labels: Volume | None, source: VolumeSource) -> list[Item]:
    """Make an item of each slice of a volume with its channels."""
    axis, shape = source.axis, channels[0].shape
    start, stop = source.slices or (0, shape[axis])
    if not 0 <= start < stop <= shape[axis]:
        raise InputError(f"source.slices: {start} to {stop} is not within the {shape[axis]} slices of {name}")
    size = (shape[1 if axis == 0 else 0], shape[1 if axis == 2 else 2])
    count = sum(volume.channels for volume in channels)
    kept = source.channels or list(range(count))
    if max(kept) >= count:
        raise InputError(f"source.channels: {max(kept)} is not among the {count} channels of {name}, 0 to {count - 1}")

    def planes(index: int) -> NDArray[Any]:
        return _read_planes(channels, axis, index)[kept]

    standardise = _Standardisation(planes, range(start, stop)) if source.standardise else None
    pixel_size, spacing = channels[0].pixel_size(axis), channels[0].slice_spacing(axis)

    def reader(index: int) -> Callable[[], NDArray[np.float32]]:
        return lambda: denoise_image(planes(index).astype(np.float32), source.denoising)

    def label_reader(index: int) -> Callable[[], NDArray[Any]] | None:
        return None if labels is None else lambda: labels.plane(axis, index)

    common = partial(Item, group=name, part=None, size=size, pixel_size=pixel_size, finish=standardise)
    return [
        common(
            f"{name}/{index:05d}",
            read=reader(index),
            read_label=label_reader(index),
            channels=len(kept),
            spacing=spacing,
        )
        for index in range(start, stop)
    ]


def _read_planes(channels: list[Volume], axis: int, index: int) -> NDArray[Any]:
    """Read a plane of every channel as (channel, row, column)."""
    planes = [volume.plane(axis, index) for volume in channels]
    return np.concatenate([plane[None] if plane.ndim == 2 else np.moveaxis(plane, 2, 0) for plane in planes])


class _Standardisation:
    """Takes a volume's mean off and divides by its standard deviation; it is read for them at the first use."""

    def __init__(self, read: Callable[[int], NDArray[Any]], slices: range) -> None:
        self._read, self._slices = read, slices
        self._lock = threading.Lock()
        self._scale: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None

    def __call__(self, planes: NDArray[np.float32]) -> NDArray[np.float32]:
        with self._lock:
            if self._scale is None:
                self._scale = self._measure()
        mean, deviation = self._scale
        standardised: NDArray[np.float32] = (planes - mean) / deviation
        return standardised

    def _measure(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Measure mean and standard deviation of each channel, a slice at a time, as (channel, 1, 1)."""
        count, sums, squares = 0, np.float64(0), np.float64(0)
        for index in self._slices:
            planes = self._read(index).astype(np.float64)
            count += planes[0].size
            sums = sums + planes.sum(axis=(1, 2), keepdims=True)
            squares = squares + np.square(planes).sum(axis=(1, 2), keepdims=True)
        mean = sums / count
        deviation = np.sqrt(np.maximum(squares / count - mean**2, 1e-12))
        return np.asarray(mean, np.float32), np.asarray(deviation, np.float32)


def _check(name: str, channels: list[Volume], labels: Volume | None, source: VolumeSource) -> list[str]:
    """Check that the parts of a volume lie on one grid and are whole; return what the user should know."""
    first, notes = channels[0], []
    if labels is not None and labels.channels not in (1, 3):
        raise InputError(f"source: the labels of {name} have {labels.channels} channels; one, or three of a colour")
    for volume in (*channels[1:], *([labels] if labels else [])):
        if volume.shape != first.shape:
            raise InputError(f"source: volume {name} has shape {first.shape}, a channel or label {volume.shape}")
        if None not in (first.orientation, volume.orientation) and first.orientation != volume.orientation:
            notes.append(
                f"{name}: by their headers the axes of the first channel run towards {first.orientation}, those of "
                f"another channel or of the labels towards {volume.orientation}; check that they lie on each other"
            )
        if first.spacing and volume.spacing and not np.allclose(first.spacing, volume.spacing, rtol=0.01):
            notes.append(
                f"{name}: by their headers voxels of the first channel are {_worded(first.spacing)}, those of another "
                f"channel or of the labels {_worded(volume.spacing)}; check that they lie on each other"
            )
    for volume in channels:
        if source.missing_chunks == "refuse" and (gaps := volume.find_gaps()):
            raise InputError(f"{gaps}. Where they are left out on purpose, set missing_chunks: fill")
    gaps = labels.find_gaps() if labels is not None else None
    return [*notes, f"{gaps}. Labels may leave out background; check that these do"] if gaps else notes


def _resample(
    name: str, channels: list[Volume], labels: Volume | None, source: VolumeSource
) -> tuple[list[Volume], Volume | None]:
    spacing = channels[0].spacing
    if source.spacing is None:
        return channels, labels
    if spacing is None:
        raise InputError(f"source.spacing: the files of {name} do not say the size of their voxels; remove spacing:")
    wanted = choose_spacing(spacing, source.spacing)
    resampled = [resample(volume, spacing, wanted, labels=False) for volume in channels]
    return resampled, resample(labels, spacing, wanted, labels=True) if labels is not None else None


def _worded(spacing: Spacing) -> str:
    return " x ".join(f"{length:g}" for length in spacing) + " µm"
