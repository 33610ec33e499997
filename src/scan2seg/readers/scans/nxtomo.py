"""NeXus NXtomo (HDF5): projections, flats and darks in one series, told apart by ``image_key``."""

from pathlib import Path

from scan2seg.config.base import Settings
from scan2seg.readers.scan import Contents, Frames

_DATA = ("instrument/detector/data", "data/data")
_KEYS = ("instrument/detector/image_key", "data/image_key")
_ANGLES = ("sample/rotation_angle", "data/rotation_angle")
_PIXEL = ("instrument/detector/x_pixel_size", "sample/x_pixel_size", "instrument/detector/x_pixel_size_actual")


class Params(Settings):
    """Options of the NXtomo reader."""

    entry: str | None = None
    """The NXtomo entry's path in the file; null: the first group that holds detector data with an image key."""


def recognises(path: Path) -> bool:
    """Tell whether the file is HDF5 and a group of its first two levels holds data and an image key."""
    from scan2seg.readers import hdf5

    if not hdf5.is_hdf5(path):
        return False
    try:
        with hdf5.open_file(path) as file:
            return hdf5.find_group(file, _DATA, _KEYS) is not None
    except Exception:
        return False


def open_frames(paths: list[Path], params: Params) -> Contents:
    """Open the file; flats and darks keep their place in time.

    Raises:
        InputError: it is unreadable, or has no data, image key or angles that fit each other.
    """
    import numpy as np

    from scan2seg.errors import InputError
    from scan2seg.readers import hdf5

    path = hdf5.single(paths)
    file = hdf5.open_file(path)
    with hdf5.closing_on_error(file):
        entry = params.entry or hdf5.find_group(file, _DATA, _KEYS)
        if entry is None:
            raise InputError(f"{path}: has no NXtomo entry with detector data and image_key")
        prefix = f"{entry}/" if entry else ""
        names = [[prefix + name for name in group] for group in (_DATA, _KEYS, _ANGLES, _PIXEL)]
        data = hdf5.frames(file, hdf5.first_of(file, names[0]))
        keys, _ = hdf5.numbers(file, hdf5.first_of(file, names[1]))
        angles, unit = hdf5.numbers(file, hdf5.first_of(file, names[2]))
        if keys is None or len(keys) != data.shape[0]:
            found = 0 if keys is None else len(keys)
            raise InputError(f"{path}: has {data.shape[0]} images but {found} image keys")
        if angles is None or len(angles) != len(keys):
            found = 0 if angles is None else len(angles)
            raise InputError(f"{path}: has {len(keys)} images but {found} rotation angles")
        projections = np.flatnonzero(keys == 0)
        if not len(projections):
            raise InputError(f"{path}: image_key marks no image as a projection (0)")

        def taken(key: int) -> Frames | None:
            which = np.flatnonzero(keys == key)
            when = np.searchsorted(projections, which).astype(np.float64) - 0.5
            return data.select(which, when) if len(which) else None

        return Contents(
            projections=data.select(projections),
            flats=taken(1),
            darks=taken(2),
            angles=angles[projections],
            angle_unit=unit,
            pixel_size=hdf5.pixel_size(file, tuple(names[3])),
            close=file.close,
            details=hdf5.describe(file, hdf5.first_of(file, names[0])),
        )
