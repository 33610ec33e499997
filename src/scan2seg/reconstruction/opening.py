"""A scan as its reconstruction sees it: opened with the settings that stand in for what the file says, and checked."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scan2seg.config.reconstruction import ReconstructionSettings
from scan2seg.config.scan_files import RawScan
from scan2seg.errors import InputError
from scan2seg.places import evenly, evenly_within
from scan2seg.readers import open_scan
from scan2seg.readers.scan import Frames, Scan
from scan2seg.reconstruction.geometry import make_geometry
from scan2seg.reconstruction.sampling import Sampling, spread_evenly

_SAMPLED_PROJECTIONS, _SAMPLED_ROWS = 8, 3


def open_configured(source: RawScan | Path | str, settings: ReconstructionSettings) -> Scan:
    """Open a scan with the angles and the pixel size of the settings, where they give any.

    Raises:
        InputError: as ``readers.open_scan``.
    """
    source = source if isinstance(source, RawScan) else RawScan(projections=str(source))
    given = {"angles": settings.angles, "pixel_size": settings.pixel_size}
    return open_scan(source.model_copy(update={key: value for key, value in given.items() if value is not None}))


def choose_projections(scan: Scan, settings: ReconstructionSettings) -> Scan:
    """Return the scan with as many projections as the settings say; the centre is found from all there are.

    Raises:
        InputError: there are fewer.
    """
    if settings.projections is None:
        return scan
    if settings.projections > scan.shape[0]:
        raise InputError(
            f"{scan.path}: reconstruction.projections: {settings.projections} is more than the {scan.shape[0]} "
            "projections there are; lower it, or leave it out for all of them"
        )
    return scan.take(spread_evenly(scan.angles, settings.projections))


def check_scan(source: RawScan | Path | str, settings: ReconstructionSettings | None = None) -> list[str]:
    """List what would keep a scan from its reconstruction, from its headers and a few rows; empty when all is well.

    Reads three rows of eight projections spread over the scan, and these rows of the flats and darks. Angles that are
    few, or that leave a wedge out, are a warning.
    """
    settings = settings or ReconstructionSettings()
    try:
        with open_configured(source, settings) as whole:
            scan = choose_projections(whole, settings)
            middle = (scan.shape[2] - 1) / 2
            geometry = make_geometry(scan, settings, middle if settings.centre == "auto" else settings.centre)
            Sampling.of(scan.angles, geometry.size).warn(scan.path.name)
            return list(_check_samples(scan, settings))
    except InputError as error:
        return [str(error)]


def _sampled_mean(scan: Scan, frames: Frames | None, row: int) -> NDArray[np.float32]:
    if frames is None:
        return np.zeros(scan.shape[2], np.float32)
    images = np.array(evenly(frames.shape[0], _SAMPLED_PROJECTIONS))
    return np.asarray(scan.read_frames(frames.select(images), slice(row, row + 1))[:, 0].mean(axis=0))


def _check_samples(scan: Scan, settings: ReconstructionSettings) -> Iterator[str]:
    first, last = settings.rows or (0, scan.shape[1])
    rows = [first + row for row in evenly_within(last - first, _SAMPLED_ROWS)]
    images = evenly(scan.shape[0], _SAMPLED_PROJECTIONS)
    nonfinite, zero = [], []
    for index in images:
        values = np.concatenate([scan.read_projection(index, slice(row, row + 1)).ravel() for row in rows])
        if not np.isfinite(values).any():
            nonfinite.append(index)
        elif not settings.already_logarithm and not values.any():
            zero.append(index)
    for found, what in ((nonfinite, "have no finite value"), (zero, "are 0 throughout. Were they written?")):
        if found:
            shown = ", ".join(map(str, found))
            yield f"{scan.path}: {len(found)} of {len(images)} projections looked at ({shown}) {what}"
    if settings.already_normalised or settings.already_logarithm:
        return
    if scan.flats is None:
        yield (
            f"{scan.path}: has no flat fields. Give flats: (a file or pattern) beside projections:, or "
            "reconstruction: {already_normalised: true} or {already_logarithm: true}"
        )
        return
    for row in rows:
        flat, dark = _sampled_mean(scan, scan.flats, row), _sampled_mean(scan, scan.darks, row)
        if not np.isfinite(flat).all():
            yield f"{scan.path}: the flat fields hold values that are not finite in row {row}"
        elif not flat.any():
            yield f"{scan.path}: the flat fields are all zero in row {row}"
        elif not (flat > dark).any():
            yield f"{scan.path}: the flat fields of row {row} are nowhere above the dark fields: are they exchanged?"
