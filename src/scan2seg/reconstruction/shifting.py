"""Moving a slice by moving its projections: how backends with another origin are aligned without blurring."""

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from scan2seg.reconstruction.filters import detector_direction


def moved_origin(
    sinograms: NDArray[np.float32], angles: NDArray[np.float64], row: float, column: float
) -> NDArray[np.float32]:
    """Return the sinograms (rows, projections, columns) of the slice moved down by ``row``, right by ``column``."""
    length = sinograms.shape[2]
    across, down = detector_direction(angles)
    shift = column * across + row * down
    wave = np.exp(-2j * np.pi * np.outer(shift, scipy.fft.rfftfreq(length))).astype(np.complex64)
    moved = scipy.fft.irfft(scipy.fft.rfft(sinograms, axis=2) * wave, length, axis=2)
    return np.asarray(moved, dtype=np.float32)
