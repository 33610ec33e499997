"""Where a NeXus tomography scan is in its file: found by classes, by names where there are none. HDF5 readers only.

NXtomo, www.nexusformat.org: images and ``image_key`` in an NXdetector, ``rotation_angle`` in the NXsample of the same
entry. Beamlines name the detector after itself and let the axis of an NXdata group hold the angles.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import h5py

from scan2seg.errors import InputError
from scan2seg.readers import hdf5
from scan2seg.readers.hdf5_storage import find

_DEEPEST, _MOST_GROUPS = 5, 5000


@dataclass(frozen=True)
class Place:
    """Paths of what an NXtomo reader reads."""

    entry: str
    group: str
    """The group that holds ``data`` and ``image_key``: the detector."""
    angles: str | None


def find_place(file: h5py.File, entry: str | None = None) -> Place | None:
    """Find the detector's images with their keys, and the angles; None where there are none.

    Args:
        file: an open file.
        entry: look only in this group.

    Raises:
        InputError: the file holds several such detectors, or one whose images are a link to nothing.
    """
    groups = list(_groups(file, entry or ""))
    found = [group for group in groups if _holds_images(file, group)]
    if not found:
        for group in groups:
            if isinstance(file.get(f"{group}/image_key"), h5py.Dataset):
                find(file, f"{group}/data")
    found = _best(file, found, lambda group: _definition(file, _entry_of(file, group)) == "NXtomo")
    found = _best(file, found, lambda group: _class(file, group) == "NXdetector")
    distinct: dict[Any, str] = {}
    for group in found:
        distinct.setdefault(file[f"{group}/data"].id, group)
    if len(distinct) > 1:
        raise InputError(
            f"{file.filename}: holds several detectors with image_key: {', '.join(map(_absolute, distinct.values()))}. "
            "Name the datasets by paths: {data:, image_key:, angles:}"
        )
    for group in distinct.values():
        at = _entry_of(file, group)
        return Place(at, group, _find_angles(file, at, file[f"{group}/data"]))
    return None


def pixel_size(file: h5py.File, place: Place) -> float | None:
    """Return the pixel size at the sample, in micrometres.

    The sample's own if given; of the detector the magnified one; else its ``x_pixel_size``, which NXdetector defines as
    the detector's, divided by ``magnification`` where it is given. Where ``real_x_pixel_size`` stands beside it (ESRF),
    that is the detector's and ``x_pixel_size`` is magnified already.
    """
    names = (f"{place.entry}/sample/x_pixel_size", f"{place.group}/x_magnified_pixel_size",
             f"{place.group}/x_pixel_size_actual")  # fmt: skip
    for name in names:
        size = hdf5.length(file, name)
        if size is not None:
            return size
    size = hdf5.length(file, f"{place.group}/x_pixel_size")
    real = hdf5.length(file, f"{place.group}/real_x_pixel_size")
    magnification = hdf5.factor(file, f"{place.group}/magnification") or 1.0
    if size is None:
        return None if real is None else real / magnification
    return size / magnification if real is None or abs(real - size) < 1e-3 * size else size


def _groups(file: h5py.File, start: str) -> Iterator[str]:
    waiting, seen = [(start.strip("/"), 0)], 0
    while waiting and seen < _MOST_GROUPS:
        name, depth = waiting.pop(0)
        seen += 1
        group = file.get(name) if name else file
        if not isinstance(group, h5py.Group):
            continue
        yield name
        if depth < _DEEPEST:
            below = [key for key in group if isinstance(group.get(key), h5py.Group)]
            waiting += [(f"{name}/{key}".strip("/"), depth + 1) for key in below]


def _holds_images(file: h5py.File, group: str) -> bool:
    parts = [file.get(f"{group}/{name}") for name in ("data", "image_key")]
    return all(isinstance(part, h5py.Dataset) for part in parts) and parts[0].ndim == 3


def _best(file: h5py.File, groups: list[str], test: Any) -> list[str]:
    return [group for group in groups if test(group)] or groups


def _class(file: h5py.File, name: str) -> str:
    return hdf5.text(file[name].attrs.get("NX_class", "")) if name else ""


def _definition(file: h5py.File, entry: str) -> str:
    value = file.get(f"{entry}/definition")
    return hdf5.text(value[()]) if isinstance(value, h5py.Dataset) else ""


def _entry_of(file: h5py.File, group: str) -> str:
    """Return the entry of a detector: the nearest NXentry above it, or what is left of instrument/NAME or data."""
    parts = group.split("/")
    for count in range(len(parts) - 1, 0, -1):
        name = "/".join(parts[:count])
        if _class(file, name) in ("NXentry", "NXsubentry"):
            return name
    return "/".join(parts[: -2 if len(parts) > 1 and parts[-2] == "instrument" else -1])


def _find_angles(file: h5py.File, entry: str, images: h5py.Dataset) -> str | None:
    top = file.get(entry) if entry else file
    prefix = f"{entry}/" if entry else ""
    below = [prefix + name for name in top if isinstance(top.get(name), h5py.Group)]
    samples = [name for name in below if _class(file, name) == "NXsample" or name == prefix + "sample"]
    for name in [*samples, *below]:
        if find(file, f"{name}/rotation_angle") is not None:
            return f"{name}/rotation_angle"
    for name in below:
        group = file[name]
        if any(group.get(key) == images for key in ("data", hdf5.text(group.attrs.get("signal", "data")))):
            axis = hdf5.text(group.attrs.get("axes", ""))
            # Diamond's files keep the wanted positions in NAME_set, the measured ones in NAME.
            for choice in (axis.removesuffix("_set"), axis):
                if choice and isinstance(file.get(f"{name}/{choice}"), h5py.Dataset):
                    return f"{name}/{choice}"
    return None


def _absolute(name: str) -> str:
    return f"/{name}"
