"""Gaussian blur: the simplest denoiser, for comparison."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scan2seg.config.base import Settings


class Params(Settings):
    """Settings of the Gaussian blur."""

    radius: float = Field(1.0, gt=0, le=50)
    """Standard deviation of the Gaussian, in pixels."""
    dimensions: Literal[2, 3] = 2
    """2 blurs within slices, 3 across them too."""


def depth(params: Params) -> tuple[int, int, int]:
    """Return the reach (z, y, x) in voxels."""
    from scan2seg.denoising.blur import blur_depth

    return blur_depth(params.radius, params.dimensions)


def denoise(volume: NDArray[np.float32], params: Params, measured: dict[str, Any], threads: int) -> NDArray[np.float32]:
    """Blur a volume (z, y, x), mirrored beyond its edges."""
    from scan2seg.denoising.blur import blur

    return blur(volume, params.radius, params.dimensions, threads)
