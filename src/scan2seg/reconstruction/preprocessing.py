"""From counts to line integrals: division by the flat fields, zingers, binning, phase retrieval, logarithm.

Sinograms are float32 (rows, projections, columns) throughout. Whatever is not finite is filled within its own detector
row, so that it cannot reach another slice. Imported only when a scan is reconstructed.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from scan2seg.reconstruction.fields import Fields
from scan2seg.reconstruction.jit import compiled

Sinograms = NDArray[np.float32]


def transmissions(
    raw: NDArray[Any], fields: Fields | None, moments: NDArray[np.float64] | None = None, threads: int = 1
) -> tuple[Sinograms, NDArray[np.int64]]:
    """Divide by the beam, (projections, rows, columns) to (rows, projections, columns); count what is not finite a row.

    The count leaves out the bad pixels, which are the detector's. Flats are interpolated to the moments at which the
    projections were taken; without any they are counted from 0.
    """
    projections, rows, columns = raw.shape
    result = np.empty((rows, projections, columns), np.float32)
    if fields is None:
        dark, beams, times = np.zeros((rows, columns), np.float32), np.ones((1, rows, columns), np.float32), np.zeros(1)
    else:
        dark, beams, times = fields.dark, fields.beams, fields.times
    moments = np.arange(projections, dtype=np.float64) if moments is None else moments
    after = np.clip(np.searchsorted(times, moments), 0, len(times) - 1)
    before = np.maximum(after - 1, 0)
    gap = np.where(after > before, times[after] - times[before], 1.0)
    share = np.clip((moments - times[before]) / gap, 0, 1).astype(np.float32)
    bad = np.zeros(rows, np.int64)
    if raw.dtype.byteorder not in "=|":
        raw = raw.astype(raw.dtype.newbyteorder("="))

    def work(row: int) -> None:
        bad[row] = _divide(raw[:, row], dark[row], beams[:, row], before, after, share, result[row])

    _each(work, rows, threads)
    return result, bad


def _each(work: Any, count: int, threads: int) -> None:
    if threads <= 1 or count == 1:
        for index in range(count):
            work(index)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(count)))


@compiled
def _divide(raw: Any, dark: Any, beams: Any, before: Any, after: Any, share: Any, result: Any) -> int:
    bad = 0
    for i in range(raw.shape[0]):
        early, late, part = beams[before[i]], beams[after[i]], share[i]
        for j in range(raw.shape[1]):
            value = np.float32(raw[i, j])
            if not np.isfinite(value):
                bad += 1
                value = np.float32(np.nan)
            result[i, j] = (value - dark[j]) / (early[j] + part * (late[j] - early[j]))
    return bad


def fill(sinograms: Sinograms, empty: float = 0.0, threads: int = 1) -> NDArray[np.bool_]:
    """Replace, in place, what is not finite by interpolation within its own sinogram; return which rows are empty.

    Along the columns first; whole lines from the projections before and after; a sinogram without any finite value
    becomes ``empty``.
    """
    lost = np.zeros(len(sinograms), np.bool_)

    def work(row: int) -> None:
        sinogram = sinograms[row]
        if not _fill_lines(sinogram):
            return
        finite = np.isfinite(sinogram[:, 0])
        if finite.any():
            good = np.flatnonzero(finite)
            for line in np.flatnonzero(~finite):
                right = min(int(np.searchsorted(good, line)), len(good) - 1)
                left = max(right - 1, 0) if good[right] > line else right
                a, b = good[left], good[right]
                part = np.float32((line - a) / (b - a)) if b > a else np.float32(0)
                sinogram[line] = sinogram[a] + part * (sinogram[b] - sinogram[a])
        else:
            sinogram[:] = empty
            lost[row] = True

    _each(work, len(sinograms), threads)
    return lost


@compiled
def _fill_lines(sinogram: Any) -> bool:
    """Interpolate along the columns; return whether a line without any finite value is left, as NaN."""
    columns = sinogram.shape[1]
    left_over = False
    for i in range(sinogram.shape[0]):
        line = sinogram[i]
        last = -1
        for j in range(columns):
            if not np.isfinite(line[j]):
                continue
            if last < 0:
                line[:j] = line[j]
            else:
                for k in range(last + 1, j):
                    part = (k - last) / (j - last)
                    line[k] = line[last] * (1 - part) + line[j] * part
            last = j
        if last < 0:
            line[:] = np.nan
            left_over = True
        else:
            line[last + 1 :] = line[last]
    return left_over


def remove_zingers(sinograms: Sinograms, threshold: float, threads: int = 1) -> NDArray[np.int64]:
    """Replace, in place, values far above the median of their 3 x 3 neighbours; return how many there were a row.

    Args:
        sinograms: (rows, projections, columns).
        threshold: how far.
        threads: for computing.
    """
    found = np.zeros(len(sinograms), np.int64)

    def work(row: int) -> None:
        found[row] = _remove_zingers(sinograms[row], threshold)

    _each(work, len(sinograms), threads)
    return found


@compiled
def _remove_zingers(sinogram: Any, threshold: float) -> int:
    projections, columns = sinogram.shape
    found = 0
    window = np.empty(9, sinogram.dtype)
    for i in range(projections):
        above = max(i - 1, 0)
        below = min(i + 1, projections - 1)
        for j in range(columns):
            left = max(j - 1, 0)
            right = min(j + 1, columns - 1)
            limit = sinogram[i, j] - np.float32(threshold)
            # Above the median of all nine means above one of the four nearest at least: the quick test.
            if (
                sinogram[above, j] >= limit
                and sinogram[below, j] >= limit
                and sinogram[i, left] >= limit
                and sinogram[i, right] >= limit
            ):
                continue
            window[0], window[1], window[2] = sinogram[above, left], sinogram[above, j], sinogram[above, right]
            window[3], window[4], window[5] = sinogram[i, left], sinogram[i, j], sinogram[i, right]
            window[6], window[7], window[8] = sinogram[below, left], sinogram[below, j], sinogram[below, right]
            median = np.sort(window)[4]
            if median < limit:
                sinogram[i, j] = median
                found += 1
    return found


def bin_pixels(sinograms: Sinograms, binning: int) -> Sinograms:
    """Average ``binning`` x ``binning`` detector pixels; a remainder at the far end is left out."""
    if binning == 1:
        return sinograms
    rows, projections, columns = sinograms.shape
    kept = sinograms[: rows // binning * binning, :, : columns // binning * binning]
    binned = kept.reshape(rows // binning, binning, projections, columns // binning, binning)
    return np.asarray(binned.mean(axis=(1, 4), dtype=np.float32))


def minus_logarithm(sinograms: Sinograms, minimum: float) -> int:
    """Turn transmissions into line integrals in place; return how many were below the minimum and raised to it."""
    clipped = 0
    for sinogram in sinograms:
        clipped += int(np.count_nonzero(sinogram < minimum))
        np.maximum(sinogram, np.float32(minimum), out=sinogram)
        np.log(sinogram, out=sinogram)
        np.negative(sinogram, out=sinogram)
    return clipped


def paganin_length(delta_beta: float, energy: float, distance: float, pixel_size: float) -> float:
    """Return the length, in pixels, over which Paganin's filter averages: sqrt(distance delta / mu).

    ``energy`` in keV, ``distance`` in mm, ``pixel_size`` in micrometres.
    """
    wavelength = 1.239841984e-3 / energy  # micrometres
    return float(np.sqrt(distance * 1e3 * wavelength * delta_beta / (4 * np.pi)) / pixel_size)


def retrieve_phase(sinograms: Sinograms, length: float, threads: int = 1) -> None:
    """Filter transmissions in place so that minus their logarithm is the line integral of a one-material specimen.

    Paganin et al., Journal of Microscopy 206, 33 (2002), eq. 10: a low-pass 1 / (1 + length^2 k^2) on each projection,
    which is continued by reflection. Rows near the ends of a slab need their neighbours: read about eight lengths more.
    """
    rows, projections, columns = sinograms.shape
    pad = [min(int(np.ceil(8 * length)), size - 1) for size in (rows, columns)]
    shape = tuple(
        scipy.fft.next_fast_len(size + 2 * p, real=True) for size, p in zip((rows, columns), pad, strict=True)
    )
    ky = 2 * np.pi * scipy.fft.fftfreq(shape[0])[:, None]
    kx = 2 * np.pi * scipy.fft.rfftfreq(shape[1])[None]
    response = (1 / (1 + length**2 * (ky**2 + kx**2))).astype(np.float32)
    extra = [size - n - 2 * p for size, n, p in zip(shape, (rows, columns), pad, strict=True)]
    margins = [(p, p + e) for p, e in zip(pad, extra, strict=True)]

    def work(projection: int) -> None:
        padded = np.pad(sinograms[:, projection], margins, mode="symmetric")
        filtered = scipy.fft.irfft2(scipy.fft.rfft2(padded) * response, s=shape)
        sinograms[:, projection] = filtered[pad[0] : pad[0] + rows, pad[1] : pad[1] + columns]

    _each(work, projections, threads)
