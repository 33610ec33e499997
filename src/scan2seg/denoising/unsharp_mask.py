"""Unsharp mask: adds what a Gaussian blur takes away, times an amount, so that edges stand out."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scan2seg.config.base import Settings

COPIES = 4
"""The blurred block, the difference, its multiple and the sum."""


class Params(Settings):
    """Settings of the unsharp mask."""

    radius: float = Field(1.0, gt=0, le=50)
    """Standard deviation of the blur, in pixels."""
    amount: float = Field(1.0, ge=0, le=20)
    """How much of the difference to the blur is added."""
    dimensions: Literal[2, 3] = 2
    """2 blurs within slices, 3 across them too."""


def depth(params: Params) -> tuple[int, int, int]:
    """Return the reach (z, y, x) in voxels."""
    from scan2seg.denoising.blur import blur_depth

    return blur_depth(params.radius, params.dimensions)


def denoise(volume: NDArray[np.float32], params: Params, measured: dict[str, Any], threads: int) -> NDArray[np.float32]:
    """Sharpen a volume (z, y, x), mirrored beyond its edges. Values may leave the range of the input."""
    from scan2seg.denoising.blur import blur

    return volume + np.float32(params.amount) * (volume - blur(volume, params.radius, params.dimensions, threads))
