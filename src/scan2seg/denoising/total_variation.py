"""Total variation: the image nearest to the noisy one whose gradients are small, in flat regions with sharp edges.

Rudin, Osher, Fatemi, Physica D 60 (1992) 259, solved in its dual form by the fast gradient projection of Beck and
Teboulle, "Fast gradient-based algorithms for constrained total variation image denoising", IEEE TIP 18 (2009) 2419.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scan2seg.config.base import Settings

COPIES = 7
"""The result, and two vectors of three at each voxel."""


class Params(Settings):
    """Settings of total variation."""

    strength: float = Field(1.0, gt=0, le=50)
    """Weight of the total variation against half the squared difference, as a multiple of the noise level."""
    noise: float | None = Field(None, ge=0)
    """Standard deviation of the noise in the volume's unit; null estimates it."""
    iterations: int = Field(40, ge=1, le=1000)
    """Number of steps. In three dimensions slabs need as many slices around them."""
    dimensions: Literal[2, 3] = 2
    """2 for each slice on its own, 3 for gradients across slices too."""


def depth(params: Params) -> tuple[int, int, int]:
    """Return the reach (z, y, x) in voxels: one for each iteration, and one for the last divergence."""
    reach = params.iterations + 1
    return (reach if params.dimensions == 3 else 0, reach, reach)


def measure(sample: NDArray[np.float32], params: Params) -> dict[str, Any]:
    """Estimate the noise level, unless it is given."""
    from scan2seg.denoising.noise import estimate_noise

    return {"noise": estimate_noise(sample) if params.noise is None else params.noise}


def denoise(volume: NDArray[np.float32], params: Params, measured: dict[str, Any], threads: int) -> NDArray[np.float32]:
    """Denoise a volume (z, y, x) with no gradient across its edges; without noise nothing changes."""
    from scan2seg.denoising.gradient_projection import total_variation

    weight = params.strength * float(measured["noise"])
    if weight == 0:
        return volume.copy()
    return total_variation(volume, weight, params.iterations, params.dimensions, threads)
