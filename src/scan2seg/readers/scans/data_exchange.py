"""APS Data Exchange (HDF5): ``/exchange/data``, ``data_white``, ``data_dark`` and ``theta``."""

from pathlib import Path

from scan2seg.config.base import Settings
from scan2seg.readers.scan import Contents


class Params(Settings):
    """Options of the Data Exchange reader."""

    group: str = "exchange"
    """The group that holds the projections."""


def recognises(path: Path) -> bool:
    """Tell whether the file is HDF5 and has ``/exchange/data``."""
    from scan2seg.readers.hdf5 import holds

    return holds(path, "exchange/data")


def open_frames(paths: list[Path], params: Params) -> Contents:
    """Open the file.

    Raises:
        InputError: it is not one readable HDF5 file with projections of three dimensions.
    """
    from scan2seg.readers import hdf5

    path = hdf5.single(paths)
    file = hdf5.open_file(path)
    with hdf5.closing_on_error(file):
        group = params.group
        angles, unit = hdf5.numbers(file, f"{group}/theta")
        return Contents(
            projections=hdf5.frames(file, f"{group}/data"),
            flats=hdf5.optional_frames(file, f"{group}/data_white"),
            darks=hdf5.optional_frames(file, f"{group}/data_dark"),
            angles=angles,
            angle_unit=unit,
            pixel_size=hdf5.pixel_size(file),
            close=file.close,
            details=hdf5.describe(file, f"{group}/data"),
        )
