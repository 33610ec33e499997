"""Where the slices of a scan are: rows, columns, centre, crop and pixel size."""

from dataclasses import dataclass

import numpy as np

from scan2seg.config.reconstruction import ReconstructionSettings
from scan2seg.errors import InputError
from scan2seg.readers.scan import Scan
from scan2seg.reconstruction import half_acquisition


@dataclass(frozen=True)
class Geometry:
    """Where the slices are: all in binned pixels but ``first_row`` and ``last_row``."""

    first_row: int
    last_row: int
    slices: int
    columns: int
    centre: float
    half: bool
    size: int
    crop: tuple[slice, slice]
    pixel_size: float | None

    def place(self, binning: int) -> list[int] | None:
        """Return [z0, z1, y0, y1, x0, x1] of the volume within the whole scan's; None where pixels differ in size."""
        if binning != 1 or self.half:
            return None
        rows, columns = self.crop
        return [self.first_row, self.last_row, rows.start, rows.stop, columns.start, columns.stop]


def make_geometry(scan: Scan, settings: ReconstructionSettings, centre: float) -> Geometry:
    """Settle sizes from the scan, the settings and the centre in columns of the file.

    Raises:
        InputError: rows, crop or centre lie outside the scan, or there is no pixel size where one is needed.
    """
    binning = settings.binning
    first, last = choose_rows(scan, settings)
    slices, columns = (last - first) // binning, scan.shape[2] // binning
    if slices < 1 or columns < 2:
        raise InputError(f"{scan.path}: nothing is left of {scan.shape[1:]} pixels with binning: {binning}")
    if not 0 <= centre <= scan.shape[2] - 1:
        raise InputError(f"{scan.path}: the centre {centre:g} is outside its {scan.shape[2]} columns")
    centre = (centre - (binning - 1) / 2) / binning
    half = settings.half_acquisition
    if half == "auto":
        half = half_acquisition.is_half_acquisition(scan.angles, centre, columns)
    size = int(np.floor(2 * max(centre, columns - 1 - centre))) + 1 if half else columns
    pixel_size = settings.pixel_size or scan.pixel_size
    for needed, what in (
        (settings.units == "per_millimetre", "units: per_millimetre"),
        (settings.delta_beta is not None, "phase retrieval"),
    ):
        if needed and pixel_size is None:
            raise InputError(f"{scan.path}: has no pixel size, which {what} needs. Give pixel_size:")
    crop = _crop(settings.crop, size, str(scan.path))
    return Geometry(
        first,
        last,
        slices,
        columns,
        centre,
        bool(half),
        size,
        crop,
        None if pixel_size is None else pixel_size * binning,
    )


def choose_rows(scan: Scan, settings: ReconstructionSettings) -> tuple[int, int]:
    """Return the first detector row to reconstruct and the one past the last.

    Raises:
        InputError: the detector has fewer rows.
    """
    first, last = settings.rows or (0, scan.shape[1])
    if last > scan.shape[1]:
        raise InputError(f"{scan.path}: rows: [{first}, {last}] but the detector has {scan.shape[1]} rows")
    return first, last


def _crop(crop: tuple[int, int, int, int] | float | None, size: int, where: str) -> tuple[slice, slice]:
    if crop is None:
        return slice(0, size), slice(0, size)
    if isinstance(crop, float):
        kept = max(1, round(size * crop))
        start = (size - kept) // 2
        return slice(start, start + kept), slice(start, start + kept)
    if crop[1] > size or crop[3] > size:
        raise InputError(f"{where}: crop: {list(crop)} is beyond the slice of {size} x {size} pixels")
    return slice(crop[0], crop[1]), slice(crop[2], crop[3])
