"""APS Data Exchange (HDF5): ``/exchange/data``, ``data_white``, ``data_dark`` and ``theta``."""

from pathlib import Path
from typing import Any

from scan2seg.config.base import Settings
from scan2seg.readers.scan import Contents

_INSTRUMENT = "measurement/instrument"
_AT_SAMPLE = (
    f"{_INSTRUMENT}/detection_system/objective/resolution",
    f"{_INSTRUMENT}/detector/actual_pixel_size_x",
    f"{_INSTRUMENT}/detector/actual_pixel_size",
    "exchange/pixel_size",
)
_AT_DETECTOR = tuple(f"{_INSTRUMENT}/detector/{name}" for name in ("pixel_size", "pixel_size_x", "x_pixel_size"))
_OBJECTIVE = f"{_INSTRUMENT}/detection_system/objective"


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
        InputError: it is not one readable HDF5 file with projections of three dimensions, all of them written.
    """
    from scan2seg.readers import hdf5
    from scan2seg.readers.units import attempt

    path = hdf5.single(paths)
    file = hdf5.open_file(path)
    with hdf5.closing_on_error(file):
        group = params.group
        angles, unit = hdf5.angles(file, f"{group}/theta")
        return Contents(
            projections=hdf5.frames(file, f"{group}/data"),
            flats=hdf5.optional_frames(file, f"{group}/data_white"),
            darks=hdf5.optional_frames(file, f"{group}/data_dark"),
            angles=angles,
            angle_unit=unit,
            pixel_size=attempt(lambda: _pixel_size(file)),
            close=file.close,
            details=hdf5.describe(file, f"{group}/data"),
        )


def _pixel_size(file: Any) -> float | None:
    """Return the pixel size at the sample: as it stands, or the detector's through the objective.

    ``resolution`` and ``actual_pixel_size_x`` are at the sample, ``pixel_size`` is the detector's own (Data Exchange's
    reference, De Carlo et al., J. Synchrotron Rad. 21, 1224, 2014). A detector behind an objective of unknown
    magnification tells nothing; without an objective its pixels are those at the sample, in a parallel beam.
    """
    from scan2seg.readers import hdf5

    for name in _AT_SAMPLE:
        size = hdf5.length(file, name)
        if size is not None:
            return size
    magnification = hdf5.factor(file, f"{_OBJECTIVE}/magnification")
    if magnification is None and _OBJECTIVE in file:
        return None
    sizes = (hdf5.length(file, name) for name in _AT_DETECTOR)
    size = next((size for size in sizes if size is not None), None)
    return None if size is None else size / (magnification or 1.0)


def companions(path: Path) -> list[Path]:
    """Return the files that links and virtual datasets of this one lead to."""
    from scan2seg.readers.hdf5_storage import linked_files

    return linked_files(path)
