"""Median filter: each voxel becomes the median of its surroundings; single bad voxels go, edges stay."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scan2seg.config.base import Settings


class Params(Settings):
    """Settings of the median filter."""

    radius: int = Field(1, ge=1, le=10)
    """The surroundings are a square (cube) with an edge of 2 x radius + 1 pixels."""
    dimensions: Literal[2, 3] = 2
    """2 looks within slices, 3 across them too."""


def depth(params: Params) -> tuple[int, int, int]:
    """Return the reach (z, y, x) in voxels."""
    return (params.radius if params.dimensions == 3 else 0, params.radius, params.radius)


def denoise(volume: NDArray[np.float32], params: Params, measured: dict[str, Any], threads: int) -> NDArray[np.float32]:
    """Filter a volume (z, y, x), mirrored beyond its edges."""
    from scan2seg.denoising.windows import filter_windows, median_rows

    return filter_windows(median_rows, volume, depth(params), (), threads)
