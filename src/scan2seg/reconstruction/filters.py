"""What every backend needs: the detector's direction, the ramp filter, its windows, the weight of each projection."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Window = Callable[[NDArray[np.float64]], NDArray[np.float64]]

# Each maps the frequency, 0 at the mean and 1 at Nyquist, to the factor that multiplies the ramp.
WINDOWS: dict[str, Window] = {
    "ramp": np.ones_like,
    "shepp-logan": lambda f: np.sinc(f / 2),
    "cosine": lambda f: np.cos(np.pi * f / 2),
    "hann": lambda f: 0.5 + 0.5 * np.cos(np.pi * f),
    "hamming": lambda f: 0.54 + 0.46 * np.cos(np.pi * f),
    "parzen": lambda f: np.where(f < 0.5, 1 - 6 * f**2 * (1 - f), 2 * (1 - f) ** 3),
}


def detector_direction(angles: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return by how many columns of the detector a step along a slice's columns and one down its rows move a shadow.

    The one place that knows which way the specimen turns: a point ``x`` right and ``y`` below the slice's middle falls
    on column ``centre + x across + y down``. See ``scan2seg.reconstruction`` for the picture.
    """
    return np.cos(angles), -np.sin(angles)


def ramp_filter(length: int, window: str = "ramp") -> NDArray[np.float64]:
    """Return the filter's response at the ``length // 2 + 1`` frequencies of a real transform, in 1 / pixel.

    It is the transform of the band-limited kernel sampled in space (Kak and Slaney, Principles of Computerized
    Tomographic Imaging, eq. 3.61), not a sampled ramp: that one lacks the mean, and a disc would come back too low.
    """
    offset = np.minimum(np.arange(length), length - np.arange(length))
    kernel = np.zeros(length)
    kernel[0] = 0.25
    odd = offset % 2 == 1
    kernel[odd] = -1.0 / (np.pi * offset[odd]) ** 2
    response = np.fft.rfft(kernel).real
    return np.asarray(response * WINDOWS[window](np.linspace(0.0, 1.0, length // 2 + 1)))


def angle_weights(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how much of the half circle each projection stands for, in radians; they sum to pi for a full scan.

    Half the distance to the next angle on either side, where angles half a turn apart are the same. So a scan over 0
    to 360 degrees, one whose last angle repeats the first, and one with uneven steps are all weighted rightly. Beyond
    a gap (a missing wedge) a projection stands for no more than the usual step.
    """
    folded = np.mod(angles, np.pi)
    order = np.argsort(folded, kind="stable")
    ordered = folded[order]
    gaps = np.diff(ordered, append=ordered[0] + np.pi)
    real_gaps = gaps[gaps > 1e-5]
    usual = float(np.median(real_gaps)) if real_gaps.size else np.pi
    gaps = np.where(gaps > 5 * usual, usual, gaps)
    weights = np.empty_like(folded)
    weights[order] = 0.5 * (gaps + np.roll(gaps, 1))
    return weights
