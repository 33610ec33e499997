"""Finding the rotation axis: phase correlation of opposite projections, and Vo's method to check it.

Both work on line integrals, after the logarithm. Imported only when a scan is reconstructed.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import scipy.fft
import scipy.optimize
from numpy.typing import NDArray

from scan2seg.places import evenly

Floats = NDArray[np.float64]
_ENOUGH_ANGLES = 300


@dataclass(frozen=True)
class Centre:
    """The rotation axis and how it was found; columns count from 0 at the first column's middle."""

    value: float
    method: str
    error: float | None
    """Spread of the estimate, in columns; None where there is only one."""
    second_method: str | None = None
    second_value: float | None = None
    disagreement: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it for attributes."""
        return asdict(self)


def opposite_pairs(angles: Floats, limit: int = 8) -> list[tuple[int, int, float]]:
    """List pairs of projections half a turn apart, spread over the scan: (first, second, by how much they miss it).

    Where none match within 0.01 degrees, the one nearest pair, if within 5 degrees.
    """
    order = np.argsort(angles, kind="stable")
    ordered = angles[order]
    at = np.clip(np.searchsorted(ordered, ordered + np.pi), 1, len(ordered) - 1)
    nearest = np.where(np.abs(ordered[at] - ordered - np.pi) < np.abs(ordered[at - 1] - ordered - np.pi), at, at - 1)
    miss = ordered[nearest] - ordered - np.pi
    exact = np.flatnonzero(np.abs(miss) < np.deg2rad(0.01))
    if exact.size:
        chosen = exact[evenly(exact.size, limit)]
    else:
        best = int(np.argmin(np.abs(miss)))
        chosen = np.array([best] if abs(miss[best]) < np.deg2rad(5) else [], dtype=int)
    return [(int(order[i]), int(order[nearest[i]]), float(miss[i])) for i in chosen]


def shift_between(first: Floats, second: Floats) -> tuple[float, float | None]:
    """Measure by how many columns ``second`` (rows, columns) lies to the right of ``first``, and the error of that.

    Phase correlation along the columns, summed over rows: the whole-column peak first, then the maximum of the
    band-limited correlation around it. The error is the spread over bands of rows.
    """
    columns = first.shape[1]
    length = scipy.fft.next_fast_len(2 * columns, real=True)
    spectra = [scipy.fft.rfft(_level(image), length, axis=1) for image in (first, second)]
    frequency = np.arange(length // 2 + 1) / length
    # A derivative weights edges over slow background; the Gaussian leaves noise out.
    weight = (frequency * np.exp(-0.5 * (frequency / 0.12) ** 2)) ** 2
    cross = np.conj(spectra[0]) * spectra[1]
    value = _peak(cross.sum(axis=0) * weight, length, None)
    bands = np.array_split(np.arange(len(first)), min(8, len(first)))
    estimates = [_peak(cross[band].sum(axis=0) * weight, length, value) for band in bands] if len(bands) > 2 else []
    error = float(np.std(estimates) / np.sqrt(len(estimates))) if estimates else None
    return value, error


def _level(image: Floats) -> Floats:
    """Subtract the line from one end to the other, so that nothing but the specimen has edges."""
    ends = max(3, image.shape[1] // 50)
    left, right = image[:, :ends].mean(axis=1), image[:, -ends:].mean(axis=1)
    return image - np.linspace(left, right, image.shape[1], axis=1)


def _peak(cross: NDArray[np.complex128], length: int, near: float | None) -> float:
    if near is None:
        correlation = scipy.fft.irfft(cross, length)
        near = float(np.argmax(correlation))
        near = near - length if near > length / 2 else near
    wave = 2j * np.pi * np.arange(len(cross)) / length

    def negative(shift: float) -> float:
        return -float((cross * np.exp(wave * shift)).real.sum())

    found = scipy.optimize.minimize_scalar(negative, bounds=(near - 1.5, near + 1.5), method="bounded",
                                           options={"xatol": 1e-4})  # fmt: skip
    return float(found.x)


def from_opposite(first: Floats, second: Floats, drift: float = 0.0) -> tuple[float, float | None]:
    """Find the centre from two projections half a turn apart, (rows, columns) each.

    ``drift`` is by how many columns the specimen's features still move because the angle is not quite half a turn.
    """
    shift, error = shift_between(first, second[:, ::-1])
    # A feature at centre + t is seen at centre - t half a turn later, mirrored at columns - 1 - centre + t.
    return (first.shape[1] - 1 - shift + drift) / 2, None if error is None else error / 2


def vo(sinogram: Floats, angles: Floats, around: float, reach: float) -> float:
    """Find the centre by Vo's method within ``reach`` columns of ``around``.

    The sinogram of half a turn and its mirror image make one of a full turn; with the right centre its spectrum has
    nothing outside the double wedge (Vo et al., Optics Express 22, 19078, 2014). In three steps, each finer.
    """
    half_turn = angles - angles.min() <= np.pi + 1e-9
    sinogram = sinogram[half_turn][np.argsort(angles[half_turn], kind="stable")]
    # A few hundred angles tell as much as thousands, and their averages are less noisy.
    group = max(1, len(sinogram) // _ENOUGH_ANGLES)
    sinogram = sinogram[: len(sinogram) // group * group].reshape(-1, group, sinogram.shape[1]).mean(axis=1)
    columns = sinogram.shape[1]
    rows = scipy.fft.rfft(sinogram, axis=1)
    step = max(1.0, reach / 20)
    best = around
    while True:
        candidates = best + step * np.arange(-np.ceil(reach / step), np.ceil(reach / step) + 1)
        candidates = candidates[np.minimum(candidates, columns - 1 - candidates) > columns / 8]
        # All candidates of a step see windows of one width: costs of different widths do not compare.
        half = _make_fast(int(np.minimum(candidates, columns - 2 - candidates).min()))
        costs = np.array([_wedge_cost(rows, columns, candidate, half) for candidate in candidates])
        at = int(np.argmin(costs))
        best = float(candidates[at])
        if step <= 0.25:
            break
        reach, step = 2 * step, step / 4
    if 0 < at < len(costs) - 1:
        left, middle, right = costs[at - 1 : at + 2]
        curvature = left - 2 * middle + right
        best += float(step * 0.5 * (left - right) / curvature) if curvature > 0 else 0.0
    return best


def _make_fast(half: int) -> int:
    """Return the largest half of a window, without its middle, whose transform is fast: one of a prime width is not."""
    while scipy.fft.next_fast_len(2 * half + 1) != 2 * half + 1:
        half -= 1
    return half


def _wedge_cost(rows: NDArray[np.complex128], columns: int, centre: float, half: int) -> float:
    """Return the mean magnitude of the spectrum outside the double wedge for one candidate.

    Args:
        rows: the spectrum of each row of the sinogram, (projections, frequencies).
        columns: of the sinogram.
        centre: the candidate.
        half: columns on each side of it that both halves see.
    """
    whole = int(np.floor(centre))
    # Moved by its spectrum: interpolation would smooth, and so favour, candidates between two columns.
    wave = np.exp(2j * np.pi * (centre - whole) * scipy.fft.rfftfreq(columns))
    window = scipy.fft.irfft(rows * wave, columns, axis=1)[:, whole - half : whole + half + 1].astype(np.float32)
    full = np.concatenate([window, window[:, ::-1]])
    spectrum = np.abs(scipy.fft.rfft2(full))
    order = np.abs(scipy.fft.fftfreq(len(full), 1 / len(full)))[:, None]
    frequency = np.arange(spectrum.shape[1])[None]
    # A specimen of radius r has nothing at angular orders above 2 pi r frequency: here r is half the window.
    outside = (order > np.pi * frequency + 5) & (frequency > 1)
    return float(spectrum[outside].mean()) if outside.any() else np.inf
