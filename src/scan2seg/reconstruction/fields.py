"""Flat and dark fields: read and averaged once for all rows of a scan, dead and hot pixels found."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from scan2seg.config.reconstruction import ReconstructionSettings
from scan2seg.errors import InputError
from scan2seg.readers.scan import Frames, Scan
from scan2seg.reconstruction.stripes.smoothing import median_across

READ_BYTES = 256 * 2**20
_NEIGHBOURHOOD = 31
_BLIND = 8
"""Fewer neighbouring rows without any usable pixel are a broken detector's, and their slices come out empty."""
_BAND = 64


@dataclass(frozen=True)
class Fields:
    """Averaged flats and darks of some detector rows."""

    first: int
    """The first of the rows."""
    dark: NDArray[np.float32]
    """(rows, columns)."""
    beams: NDArray[np.float32]
    """Flat minus dark, (times, rows, columns); NaN where the pixel is hot or dead."""
    times: NDArray[np.float64]
    """When the beams were taken, in projections."""

    def of_rows(self, start: int, stop: int) -> "Fields":
        """Return those of some of the rows."""
        part = slice(start - self.first, stop - self.first)
        return replace(self, first=start, dark=self.dark[part], beams=self.beams[:, part])

    @property
    def bad_pixels(self) -> int:
        """How many pixels are hot or dead."""
        return int(np.isnan(self.beams).any(axis=0).sum())


def read_fields(
    scan: Scan, rows: slice, find_bad_pixels: bool = True, threads: int = 1, read_bytes: int = READ_BYTES
) -> Fields:
    """Read and average the flats and darks of some rows.

    Flats taken at several times are kept apart, to be interpolated in time; the median over the frames of a time
    leaves zingers out.

    Args:
        scan: with flats, and with darks where there are any.
        rows: detector rows.
        find_bad_pixels: whether hot and dead ones are marked.
        threads: the result does not depend on it.
        read_bytes: as much is read at once; files of a page each are decoded once for every so many bytes.

    Raises:
        InputError: there are no flats, or they are nowhere above the darks, in all rows or in several together.
    """
    if scan.flats is None:
        raise InputError(
            f"{scan.path}: has no flat fields. Give flats: (a file or pattern) beside projections:, or set "
            "already_normalised or already_logarithm: true"
        )
    count = scan.flats.shape[0]
    positions = scan.flats.positions if scan.flats.positions is not None else np.zeros(count)
    groups = np.concatenate([[0], np.flatnonzero(np.diff(positions) > 1) + 1, [count]]).astype(int)
    parts = [slice(a, b) for a, b in pairwise(groups.tolist())]
    if scan.darks is None:
        dark = np.zeros((rows.stop - rows.start, scan.shape[2]), np.float32)
    else:
        dark = _average(scan, scan.darks, rows, [slice(0, scan.darks.shape[0])], read_bytes)[0]
    beams = _average(scan, scan.flats, rows, parts, read_bytes) - dark
    good = np.isfinite(beams) & (beams > 0)
    _refuse_blind_rows(scan, good, rows.start)
    if find_bad_pixels:
        good &= ~_find_bad_pixels(beams.mean(axis=0), dark, threads)
    beams[~good] = np.nan
    return Fields(rows.start, dark, beams, np.array([positions[part].mean() for part in parts]))


def read_needed(
    scan: Scan, settings: ReconstructionSettings, rows: slice, threads: int = 1, read_bytes: int = READ_BYTES
) -> Fields | None:
    """Read the fields of some rows, or None where the settings say that the projections are normalised already."""
    if settings.already_normalised or settings.already_logarithm:
        return None
    return read_fields(scan, rows, settings.bad_pixels, threads, read_bytes)


def _average(scan: Scan, frames: Frames, rows: slice, parts: list[slice], read_bytes: int) -> NDArray[np.float32]:
    """Return the median of each part of the frames, of two or fewer the mean, (parts, rows, columns)."""
    averages = np.empty((len(parts), rows.stop - rows.start, frames.shape[2]), np.float32)
    at_once = max(1, read_bytes // (4 * frames.shape[0] * frames.shape[2]))
    for start in range(rows.start, rows.stop, at_once):
        stop = min(start + at_once, rows.stop)
        values = scan.read_frames(frames, slice(start, stop))
        for average, part in zip(averages[:, start - rows.start : stop - rows.start], parts, strict=True):
            few = part.stop - part.start <= 2
            average[:] = values[part].mean(axis=0) if few else np.median(values[part], axis=0)
    return averages


def _refuse_blind_rows(scan: Scan, good: NDArray[np.bool_], first: int) -> None:
    rows: NDArray[np.bool_] = np.asarray(good.any(axis=(0, 2)))
    length = min(_BLIND, len(rows))
    blind = np.flatnonzero(np.convolve(~rows, np.ones(length, int), "valid") == length)
    if len(blind):
        start = first + int(blind[0])
        stop = start + int(np.argmax([*rows[blind[0] :], True]))
        raise InputError(
            f"{scan.path}: the flat fields of rows {start} to {stop} are nowhere above the dark fields: are flats and "
            "darks exchanged, or were the flats taken without a beam? Rows that see no beam are left out by rows:"
        )


def _find_bad_pixels(beam: NDArray[np.float32], dark: NDArray[np.float32], threads: int) -> NDArray[np.bool_]:
    """Find dead pixels (a tenth of their neighbours' beam) and hot ones (dark current unlike their neighbours')."""
    usual_beam, usual_dark = np.empty_like(beam), np.empty_like(dark)

    def look_around(start: int) -> None:
        band = slice(start, start + _BAND)
        for values, usual in ((beam, usual_beam), (dark, usual_dark)):
            usual[band] = median_across(np.nan_to_num(values[band]), _NEIGHBOURHOOD)

    with ThreadPoolExecutor(max(threads, 1)) as pool:
        list(pool.map(look_around, range(0, len(beam), _BAND)))
    # Hot: the dark current is ten usual deviations off and a twentieth of the beam, so that it matters.
    excess = np.abs(dark - usual_dark)
    spread = 1.4826 * np.median(excess)
    return np.asarray((beam < 0.1 * usual_beam) | ((excess > 10 * spread) & (excess > 0.05 * usual_beam)))
