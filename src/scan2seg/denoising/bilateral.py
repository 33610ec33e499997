"""Bilateral filter: a mean over the surroundings, weighted by how near each voxel is and how alike its value.

Tomasi, Manduchi, "Bilateral filtering for gray and color images", ICCV 1998.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scan2seg.config.base import Settings


class Params(Settings):
    """Settings of the bilateral filter."""

    radius: float = Field(2.0, gt=0, le=15)
    """Standard deviation of the Gaussian over distance, in pixels; the surroundings end at twice as much."""
    strength: float = Field(3.0, gt=0, le=50)
    """Standard deviation of the Gaussian over differences of value, as a multiple of the noise level."""
    noise: float | None = Field(None, ge=0)
    """Standard deviation of the noise in the volume's unit; null estimates it."""
    dimensions: Literal[2, 3] = 2
    """2 looks within slices, 3 across them too."""


def depth(params: Params) -> tuple[int, int, int]:
    """Return the reach (z, y, x) in voxels."""
    reach = max(1, int(2 * params.radius + 0.5))
    return (reach if params.dimensions == 3 else 0, reach, reach)


def measure(sample: NDArray[np.float32], params: Params) -> dict[str, Any]:
    """Estimate the noise level, unless it is given."""
    from scan2seg.denoising.noise import estimate_noise

    return {"noise": estimate_noise(sample) if params.noise is None else params.noise}


def denoise(volume: NDArray[np.float32], params: Params, measured: dict[str, Any], threads: int) -> NDArray[np.float32]:
    """Filter a volume (z, y, x), mirrored beyond its edges; without noise nothing changes."""
    from scan2seg.denoising.windows import bilateral_rows, filter_windows

    if measured["noise"] == 0:
        return volume.copy()
    squares = [np.arange(-length, length + 1.0) ** 2 for length in depth(params)]
    distance = squares[0][:, None, None] + squares[1][:, None] + squares[2]
    near = np.exp(-distance / (2 * params.radius**2)).astype(np.float32)
    alike = np.float32(0.5 / (params.strength * measured["noise"]) ** 2)
    return filter_windows(bilateral_rows, volume, depth(params), (near, alike), threads)
