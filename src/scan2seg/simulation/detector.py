"""The detector: counts of an uneven beam with photon and readout noise, and pixels that make rings.

Every random number of a detector row comes from that row's own generator, so that rows can be made in any order.
"""

import numpy as np
from numpy.typing import NDArray

from scan2seg.config.simulation import SimulationSettings

Floats = NDArray[np.float64]
Counts = NDArray[np.uint16]

_STREAM = 2
_WAVES = 12


def beam_row(settings: SimulationSettings, row: int) -> Floats:
    """Return the mean counts of the open beam in one detector row, (column,).

    A smooth uneven illumination times fine horizontal stripes, as a multilayer monochromator makes, times each
    pixel's own sensitivity; between ``photons`` and ``photons`` x (1 - ``flat_structure``).
    """
    rng = np.random.default_rng([settings.seed, _STREAM])
    longest = max(settings.size, 64)
    columns = np.arange(settings.size)
    pattern = np.zeros(settings.size)
    for _ in range(_WAVES):
        along, across = rng.normal(0, 2.5 / longest, 2)
        pattern += np.cos(2 * np.pi * (along * columns + across * row + rng.random()))
    pattern /= _WAVES
    for _ in range(3):
        pattern += 0.15 * np.cos(2 * np.pi * (row / rng.uniform(4, 25) + 0.3 * columns / longest + rng.random()))
    own = np.random.default_rng([settings.seed, _STREAM, row, 0])
    pattern += own.normal(0, 0.1, settings.size)
    return settings.photons * (1 - settings.flat_structure * np.clip(0.5 + 0.5 * pattern, 0, 1))


def gain_defects(settings: SimulationSettings, row: int) -> Floats:
    """Return each pixel's gain under the specimen over its gain in the open beam, (column,); mostly one."""
    rng = np.random.default_rng([settings.seed, _STREAM, row, 1])
    defective = rng.random(settings.size) < settings.ring_share
    return np.where(defective, np.exp(rng.normal(0, settings.ring_sigma, settings.size)), 1.0)


def dark_row(settings: SimulationSettings, row: int) -> Floats:
    """Return the mean counts of one detector row without the beam, (column,)."""
    rng = np.random.default_rng([settings.seed, _STREAM, row, 2])
    return settings.dark_level * (1 + rng.normal(0, 0.03, settings.size))


def expose(settings: SimulationSettings, row: int, transmission: NDArray[np.floating]) -> tuple[Counts, Counts, Counts]:
    """Record one detector row of the whole scan.

    Args:
        settings: The scan's settings.
        row: The detector row.
        transmission: Share of the beam that passes the specimen, 0 to 1, (projection, column).

    Returns:
        Counts of the projections (projection, column), the flats (flat, column) and the darks (dark, column).
    """
    rng = np.random.default_rng([settings.seed, _STREAM, row, 3])
    beam, dark = beam_row(settings, row), dark_row(settings, row)

    def read(mean: Floats) -> Counts:
        noisy = rng.poisson(mean) + rng.normal(dark, settings.readout_noise, mean.shape)
        return np.clip(np.rint(noisy), 0, np.iinfo(np.uint16).max).astype(np.uint16)

    projections = read(transmission * (beam * gain_defects(settings, row)))
    flats = read(np.broadcast_to(beam, (settings.flats, settings.size)))
    darks = read(np.zeros((settings.darks, settings.size)))
    return projections, flats, darks
