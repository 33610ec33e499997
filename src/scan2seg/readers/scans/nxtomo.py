"""NeXus NXtomo (HDF5): projections, flats and darks in one series, told apart by ``image_key``."""

from pathlib import Path

from scan2seg.config.base import Settings
from scan2seg.readers.scan import Contents


class Params(Settings):
    """Options of the NXtomo reader."""

    entry: str | None = None
    """The NXtomo entry's path in the file; null: the one that holds a detector's images with an image key."""


def recognises(path: Path) -> bool:
    """Tell whether the file is HDF5 and a group holds images and their image key, wherever it is."""
    from scan2seg.errors import InputError
    from scan2seg.readers import hdf5, nexus

    if not hdf5.is_hdf5(path):
        return False
    try:
        with hdf5.open_file(path) as file:
            return nexus.find_place(file) is not None
    except InputError:
        return True
    except Exception:
        return False


def open_frames(paths: list[Path], params: Params) -> Contents:
    """Open the file; flats and darks keep their place in time.

    Raises:
        InputError: it is unreadable, or has no data and image key that fit each other.
    """
    from scan2seg.errors import InputError
    from scan2seg.readers import hdf5, nexus
    from scan2seg.readers.units import attempt

    path = hdf5.single(paths)
    file = hdf5.open_file(path)
    with hdf5.closing_on_error(file):
        place = nexus.find_place(file, params.entry)
        if place is None:
            raise InputError(f"{path}: has no NXtomo entry with detector data and image_key")
        angles, unit = hdf5.angles(file, place.angles) if place.angles else (None, "")
        return Contents(
            **hdf5.by_image_key(file, f"{place.group}/data", f"{place.group}/image_key"),
            angles=angles,
            angle_unit=unit,
            pixel_size=attempt(lambda: nexus.pixel_size(file, place)),
            close=file.close,
            details={"detector": f"/{place.group}", **hdf5.describe(file, f"{place.group}/data")},
        )


def companions(path: Path) -> list[Path]:
    """Return the files that links and virtual datasets of this one lead to."""
    from scan2seg.readers.hdf5_storage import linked_files

    return linked_files(path)
