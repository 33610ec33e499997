"""Half acquisition: a full turn with the axis near a side sees a specimen twice as wide as the detector."""

import numpy as np
from numpy.typing import NDArray

Sinograms = NDArray[np.float32]


def is_half_acquisition(angles: NDArray[np.float64], centre: float, columns: int) -> bool:
    """Tell whether the angles cover a full turn and the axis is nearer to a side of the detector than to its middle."""
    step = np.ptp(angles) / max(len(angles) - 1, 1)
    full_turn = np.ptp(angles) + 1.5 * step >= 2 * np.pi
    return bool(full_turn and abs(centre - (columns - 1) / 2) > columns / 4)


def stitch(
    sinograms: Sinograms, angles: NDArray[np.float64], centre: float
) -> tuple[Sinograms, NDArray[np.float64], float]:
    """Join each projection with the mirrored one half a turn later.

    The mirrored half is interpolated (four-point Lagrange) to the first one's columns; where both see the specimen one
    fades into the other. Returns sinograms (rows, projections of half a turn, wider columns), angles, centre.
    """
    columns = sinograms.shape[2]
    to_right = centre > (columns - 1) / 2
    direct = sinograms if to_right else sinograms[:, :, ::-1]
    axis = centre if to_right else columns - 1 - centre
    turn = angles - angles.min()
    first = np.flatnonzero(turn < np.pi - 1e-9)
    second = np.array([int(np.argmin(np.abs(np.abs(angles - angles[i]) - np.pi))) for i in first])
    width = int(np.floor(2 * axis)) + 1
    mirrored = _shifted(direct[:, second, ::-1], 2 * axis - (columns - 1), width)
    # Both see the columns from 2 axis - (columns - 1) to columns - 1.
    start = max(2 * axis - (columns - 1), 0.0)
    fade = np.clip((columns - 1 - np.arange(width)) / max(columns - 1 - start, 1.0), 0, 1).astype(np.float32)
    joined = mirrored * (1 - fade)
    joined[:, :, :columns] += direct[:, first] * fade[:columns]
    if not to_right:
        joined, axis = joined[:, :, ::-1], width - 1 - axis
    return np.ascontiguousarray(joined, dtype=np.float32), angles[first], float(axis)


def _shifted(lines: Sinograms, shift: float, width: int) -> Sinograms:
    """Move lines right by a fraction of columns onto a wider line; outside, the last value continues."""
    whole = int(np.floor(shift))
    f = shift - whole
    # The value at x comes from x - shift = (x - whole - 1) + (1 - f), between two columns.
    t = 1 - f
    weights = (
        -t * (t - 1) * (t - 2) / 6,
        (t + 1) * (t - 1) * (t - 2) / 2,
        -(t + 1) * t * (t - 2) / 2,
        (t + 1) * t * (t - 1) / 6,
    )
    base = np.arange(width) - whole - 1
    last = lines.shape[2] - 1
    result = np.zeros((*lines.shape[:2], width), np.float32)
    for offset, weight in zip((-1, 0, 1, 2), weights, strict=True):
        result += np.float32(weight) * lines[:, :, np.clip(base + offset, 0, last)]
    return result
